//! Mounts a branch of a directory, until the mount is taken down or the process interrupted:
//!
//! ```text
//! cargo run -p brio-mount --example mount -- BASE LAYER MOUNTPOINT [FLAG]...
//! ```
//!
//! `BASE` is what is branched and is never written; `LAYER` takes what is written, and is made
//! where it is not there; `umount MOUNTPOINT` ends it. What was changed is printed then.
//! Flags: `--allow-other`, `--vcs` (`.git` can be changed), `--owner=UID:GID` (of all files).

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::sync::Arc;

    use brio_mount::{Mount, Options};
    use brio_session::{DirLower, Fixed, INDEX, View, ViewOptions};
    use cap_std::ambient_authority;
    use cap_std::fs::Dir;

    let (flags, paths): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let [base, layer, at] = &paths[..] else {
        return Err(
            "usage: mount BASE LAYER MOUNTPOINT [--allow-other] [--vcs] [--owner=UID:GID]".into()
        );
    };
    let base = Dir::open_ambient_dir(base, ambient_authority())?;
    std::fs::create_dir_all(layer)?;
    let layer = Dir::open_ambient_dir(layer, ambient_authority())?;
    if !layer.try_exists(INDEX)? {
        View::create_layer(&layer, &Default::default())?;
    }
    let has = |flag: &str| flags.iter().any(|f| f == flag);
    let options = ViewOptions { vcs: has("--vcs"), ..ViewOptions::default() };
    let view = View::open(layer, Arc::new(DirLower::new(base)), options)?;

    let mut options = Options { allow_other: has("--allow-other"), ..Options::default() };
    if let Some(owner) = flags.iter().find_map(|f| f.strip_prefix("--owner=")) {
        let (uid, gid) = owner.split_once(':').ok_or("--owner=UID:GID")?;
        (options.uid, options.gid) = (uid.parse()?, gid.parse()?);
    }
    let mount = Mount::at(at.as_ref(), Fixed(view.clone()), &options)?;
    println!("mounted");
    mount.wait();
    for change in view.changes()?.changes {
        println!("{:?} {}", change.kind, change.path);
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("FUSE is Linux's");
}
