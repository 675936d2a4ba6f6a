//! Mending: what is missing is written, and nothing is removed.

use super::{Damage, Fsck, Mend};
use crate::key::Kind;
use crate::{Hash, Result, envelope};

impl Fsck<'_> {
    pub(super) async fn mend(&mut self) -> Result<()> {
        let damages: Vec<Damage> =
            self.found.values().filter(|f| f.mend.is_some()).map(|f| f.damage.clone()).collect();
        // Indexes first: what tells of trees may need them.
        for pass in [Mend::Index, Mend::Cache, Mend::Projection] {
            for damage in &damages {
                if self.found.get(damage).and_then(|f| f.mend) != Some(pass) {
                    continue;
                }
                let mended = match damage {
                    Damage::Index { pack, .. } => self.index(pack).await?,
                    Damage::Missing { kind, hash } => self.again(*kind, hash, false).await?,
                    Damage::Corrupt { kind, hash, .. } => self.again(*kind, hash, true).await?,
                    Damage::Projection { session, .. } => self.tell(session).await,
                    _ => false,
                };
                if let Some(finding) = self.found.get_mut(damage) {
                    finding.mended = mended;
                }
            }
            self.project.objects().forget_indexes().await;
        }
        Ok(())
    }

    async fn index(&self, pack: &Hash) -> Result<bool> {
        let Some(index) = self.places.rebuilt.get(pack) else { return Ok(false) };
        let o = self.project.objects();
        o.backend.overwrite(&o.keys.index(pack), index.encode()).await?;
        Ok(true)
    }

    /// Stores what the disk cache has, verified. What lies at its key is replaced only if it is
    /// corrupt.
    async fn again(&self, kind: Kind, hash: &Hash, replace: bool) -> Result<bool> {
        let o = self.project.objects();
        let Some(content) = o.disk().and_then(|d| d.get(kind, hash)) else { return Ok(false) };
        let sealed = envelope::seal(&content, self.project.options().compression)?;
        let key = o.keys.object(kind, hash);
        match replace {
            true => o.backend.overwrite(&key, sealed).await?,
            false => _ = o.backend.create(&key, sealed).await?,
        }
        Ok(true)
    }

    async fn tell(&self, session: &str) -> bool {
        let told = async {
            let doc = self.project.session(session).await?;
            self.project.tell_session_tree(&doc).await
        };
        match told.await {
            Ok(()) => true,
            Err(e) => {
                tracing::warn!("what session {session} changed cannot be told: {e}");
                false
            }
        }
    }
}
