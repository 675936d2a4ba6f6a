//! The operations of `session-tools` on the directory of the plain form.

use std::io::{Read, Seek, Write};

use brio_session::{FsError, FsResult, Kind, from_os};
use cap_std::fs::{Dir, FileType, OpenOptions};

use super::tree::{Item, PIECE, Tree};

impl Tree for Dir {
    fn read(&self, path: &str, more: &mut dyn FnMut(&[u8]) -> bool) -> FsResult<()> {
        let mut file = self.open(path)?;
        let mut buffer = vec![0; PIECE];
        loop {
            let n = file.read(&mut buffer)?;
            if n == 0 || !more(&buffer[..n]) {
                return Ok(());
            }
        }
    }

    fn write(&self, path: &str, content: &[u8]) -> FsResult<()> {
        match self.open_with(path, OpenOptions::new().write(true).create_new(true)) {
            Ok(mut made) => Ok(made.write_all(content).inspect_err(|_| {
                let _ = self.remove_file(path);
            })?),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
                let mut file =
                    self.open_with(path, OpenOptions::new().read(true).write(true).create(true))?;
                // Only what is written over: the rest goes last, and by one call.
                let size = file.metadata()?.len();
                let mut before = Vec::new();
                (&mut file).take(content.len() as u64).read_to_end(&mut before)?;
                Ok(replace(&mut file, content).inspect_err(|_| {
                    let _ = put(&mut file, &before).and_then(|()| file.set_len(size));
                })?)
            }
            Err(e) => Err(e.into()),
        }
    }

    fn make_dir(&self, path: &str) -> FsResult<()> {
        Ok(self.create_dir(path)?)
    }

    fn list(&self, path: &str) -> FsResult<Vec<Item>> {
        let mut items = Vec::new();
        for entry in self.read_dir(path)? {
            let entry = entry?;
            let kind = kind(entry.file_type()?);
            let size = match kind {
                Kind::File | Kind::Symlink => entry.metadata()?.len(),
                Kind::Dir | Kind::Other => 0,
            };
            items.push(Item { name: from_os(&entry.file_name()).to_vec(), kind, size });
        }
        items.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(items)
    }

    fn remove(&self, path: &str) -> FsResult<()> {
        match kind(self.symlink_metadata(path)?.file_type()) {
            Kind::Dir if matches!(path, "." | "..") => Err(FsError::Invalid),
            Kind::Dir => Ok(self.remove_dir(path)?),
            _ => Ok(self.remove_file(path)?),
        }
    }
}

fn kind(t: FileType) -> Kind {
    if t.is_dir() {
        Kind::Dir
    } else if t.is_symlink() {
        Kind::Symlink
    } else if t.is_file() {
        Kind::File
    } else {
        Kind::Other
    }
}

fn put(file: &mut cap_std::fs::File, content: &[u8]) -> std::io::Result<()> {
    file.rewind()?;
    file.write_all(content)
}

fn replace(file: &mut cap_std::fs::File, content: &[u8]) -> std::io::Result<()> {
    put(file, content)?;
    file.set_len(content.len() as u64)
}
