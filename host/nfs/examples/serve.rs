//! Serves a branch of a directory by NFSv3, until it is interrupted:
//!
//! ```text
//! cargo run -p brio-nfs --example serve -- BASE LAYER ADDR [FLAG]...
//! ```
//!
//! `BASE` is what is branched and is never written; `LAYER` takes what is written, and is made
//! where it is not there. The branch is `/exports/view/branch`, what it stands on `@` in it. Flags:
//! `--vcs` (`.git` can be changed),
//! `--owner=UID:GID` (of all files), `--anyone` (whoever calls is the owner), `--table=FILE` (handles
//! outlive the server), `--client=NETWORK` (other machines).

use std::sync::Arc;

use brio_nfs::{Exports, Opened, Options, Users, serve};
use brio_session::{DirLower, Fixed, FsError, FsResult, INDEX, Lender, Lower, View, ViewOptions};
use cap_std::ambient_authority;
use cap_std::fs::Dir;

struct Branch {
    view: View,
    base: View,
}

impl Exports for Branch {
    fn directories(&self) -> &[&'static str] {
        &["view"]
    }

    fn list(&self, _: &str) -> Vec<String> {
        vec!["branch".to_owned()]
    }

    fn open(&self, _: &str, name: &str) -> FsResult<Opened> {
        if name != "branch" {
            return Err(FsError::NotFound);
        }
        Ok(Opened { name: name.to_owned(), lender: Arc::new(Fixed(self.view.clone())) })
    }

    fn base(&self, _: &str, _: &str) -> FsResult<Arc<dyn Lender>> {
        Ok(Arc::new(Fixed(self.base.clone())))
    }

    fn is_there(&self, _: &str, name: &str) -> bool {
        name == "branch"
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (flags, rest): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let [base, layer, address] = &rest[..] else {
        return Err("usage: serve BASE LAYER ADDR [--vcs] [--owner=UID:GID] [--anyone] [--table=FILE] [--client=NETWORK]".into());
    };
    let lower: Arc<dyn Lower> =
        Arc::new(DirLower::new(Dir::open_ambient_dir(base, ambient_authority())?));
    std::fs::create_dir_all(layer)?;
    let layer = Dir::open_ambient_dir(layer, ambient_authority())?;
    if !layer.try_exists(INDEX)? {
        View::create_layer(&layer, &Default::default())?;
    }
    let value = |name: &str| flags.iter().find_map(|f| f.strip_prefix(name)?.strip_prefix('='));
    let has = |flag: &str| flags.iter().any(|f| f == flag);
    let options = ViewOptions { vcs: has("--vcs"), ..ViewOptions::default() };
    let view = View::open(layer, lower.clone(), options)?;
    let empty = tempfile::tempdir()?;
    let nothing = Dir::open_ambient_dir(empty.path(), ambient_authority())?;
    View::create_layer(&nothing, &Default::default())?;
    let read_only = ViewOptions { read_only: true, ..ViewOptions::default() };
    let base = View::open(nothing, lower, read_only)?;

    let (uid, gid) = match value("--owner") {
        Some(owner) => {
            let (uid, gid) = owner.split_once(':').ok_or("--owner=UID:GID")?;
            (uid.parse()?, gid.parse()?)
        }
        None => (0, 0),
    };
    let users = if has("--anyone") { Users::Anyone } else { Users::Owner };
    let clients = value("--client").map(str::parse).transpose()?.into_iter().collect();
    let listener = std::net::TcpListener::bind(address)?;
    println!("nfs: {}", listener.local_addr()?);
    let options = Options { uid, gid, users, clients };
    let table = value("--table").map(Into::into);
    let _serving = serve(listener, Branch { view, base }, options, table)?;
    println!("ready: /exports/view/branch");
    loop {
        std::thread::park();
    }
}
