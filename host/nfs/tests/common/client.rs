//! A client: `nfs3_client`'s calls, one after another, on a connection of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use nfs3_client::RpcError;
use nfs3_client::io::{AsyncRead, AsyncWrite};
use nfs3_client::rpc::RpcClient;
use nfs3_types::mount::{dirpath, exports, mountres3, mountstat3};
use nfs3_types::nfs3::*;
use nfs3_types::rpc::{auth_unix, opaque_auth};
use nfs3_types::xdr_codec::{Opaque, Pack, Unpack, Void};

pub type Fh = nfs_fh3;
pub type Answer<T> = Result<T, nfsstat3>;

/// A socket that waits where an asynchronous one would be polled: there is one call at a time.
pub struct Io(pub TcpStream);

impl AsyncRead for Io {
    async fn async_read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(buf)? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => Ok(n),
        }
    }
}

impl AsyncWrite for Io {
    async fn async_write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.0.write(buf)
    }
}

pub struct Client {
    runtime: tokio::runtime::Runtime,
    rpc: RpcClient<Io>,
}

/// The credential of a user.
pub fn unix(uid: u32) -> opaque_auth<'static> {
    let machinename = Opaque::borrowed(b"test");
    opaque_auth::auth_unix(&auth_unix { stamp: 1, machinename, uid, gid: uid, gids: vec![] })
}

pub fn connect(at: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(at)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    Ok(stream)
}

fn of<T, E>(answer: Nfs3Result<T, E>) -> Answer<T> {
    match answer {
        Nfs3Result::Ok(done) => Ok(done),
        Nfs3Result::Err((status, _)) => Err(status),
    }
}

pub fn place<'a>(dir: &Fh, name: &'a [u8]) -> diropargs3<'a> {
    diropargs3 { dir: dir.clone(), name: name.into() }
}

fn made(obj: post_op_fh3, attr: post_op_attr) -> (Fh, fattr3) {
    (obj.unwrap(), attr.unwrap())
}

impl Client {
    pub fn new(at: SocketAddr) -> Self {
        Self::with(at, unix(0)).unwrap()
    }

    pub fn with(at: SocketAddr, credential: opaque_auth<'static>) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let io = Io(connect(at)?);
        Ok(Self { runtime, rpc: RpcClient::new_with_auth(io, credential, opaque_auth::default()) })
    }

    pub fn call<C, R>(&mut self, program: u32, procedure: u32, args: &C) -> Result<R, RpcError>
    where
        C: Pack + Send + Sync,
        R: Unpack,
    {
        self.runtime.block_on(self.rpc.call(program, 3, procedure, args))
    }

    fn nfs<C, R>(&mut self, procedure: NFS_PROGRAM, args: &C) -> R
    where
        C: Pack + Send + Sync,
        R: Unpack,
    {
        let done = self.call(PROGRAM, procedure as u32, args);
        done.unwrap_or_else(|e| panic!("{procedure:?}: {e}"))
    }

    pub fn null(&mut self) -> Result<(), RpcError> {
        self.call::<_, Void>(PROGRAM, 0, &Void).map(drop)
    }

    pub fn mnt(&mut self, path: &str) -> Result<Fh, mountstat3> {
        self.try_mnt(path).unwrap()
    }

    pub fn try_mnt(&mut self, path: &str) -> Result<Result<Fh, mountstat3>, RpcError> {
        let path = dirpath(Opaque::owned(path.as_bytes().to_vec()));
        Ok(match self.call(nfs3_types::mount::PROGRAM, 1, &path)? {
            mountres3::Ok(done) => Ok(Fh { data: Opaque::owned(done.fhandle.0.0.into_owned()) }),
            mountres3::Err(e) => Err(e),
        })
    }

    pub fn exports(&mut self) -> Vec<String> {
        let all: exports<'_, '_> = self.call(nfs3_types::mount::PROGRAM, 5, &Void).unwrap();
        all.0.into_iter().map(|e| String::from_utf8(e.ex_dir.0.0.into_owned()).unwrap()).collect()
    }

    pub fn getattr(&mut self, file: &Fh) -> Answer<fattr3> {
        let args = GETATTR3args { object: file.clone() };
        of::<GETATTR3resok, _>(self.nfs::<_, GETATTR3res>(NFS_PROGRAM::NFSPROC3_GETATTR, &args))
            .map(|done| done.obj_attributes)
    }

    pub fn setattr(&mut self, file: &Fh, new_attributes: sattr3) -> Answer<wcc_data> {
        self.setattr_if(file, new_attributes, Nfs3Option::None)
    }

    pub fn setattr_if(
        &mut self,
        file: &Fh,
        new_attributes: sattr3,
        guard: sattrguard3,
    ) -> Answer<wcc_data> {
        let args = SETATTR3args { object: file.clone(), new_attributes, guard };
        of(self.nfs::<_, SETATTR3res>(NFS_PROGRAM::NFSPROC3_SETATTR, &args)).map(|d| d.obj_wcc)
    }

    pub fn lookup(&mut self, dir: &Fh, name: &[u8]) -> Answer<(Fh, fattr3)> {
        let args = LOOKUP3args { what: place(dir, name) };
        of(self.nfs::<_, LOOKUP3res>(NFS_PROGRAM::NFSPROC3_LOOKUP, &args))
            .map(|d| (d.object, d.obj_attributes.unwrap()))
    }

    pub fn access(&mut self, file: &Fh, access: u32) -> Answer<u32> {
        let args = ACCESS3args { object: file.clone(), access };
        of(self.nfs::<_, ACCESS3res>(NFS_PROGRAM::NFSPROC3_ACCESS, &args)).map(|d| d.access)
    }

    pub fn readlink(&mut self, link: &Fh) -> Answer<Vec<u8>> {
        let args = READLINK3args { symlink: link.clone() };
        of(self.nfs::<_, READLINK3res<'static>>(NFS_PROGRAM::NFSPROC3_READLINK, &args))
            .map(|d| d.data.0.0.into_owned())
    }

    /// What was read, and whether that was the end.
    pub fn read(&mut self, file: &Fh, offset: u64, count: u32) -> Answer<(Vec<u8>, bool)> {
        let args = READ3args { file: file.clone(), offset, count };
        of(self.nfs::<_, READ3res<'static>>(NFS_PROGRAM::NFSPROC3_READ, &args)).map(|d| {
            assert_eq!(d.count as usize, d.data.0.len());
            (d.data.0.into_owned(), d.eof)
        })
    }

    pub fn read_all(&mut self, file: &Fh) -> Answer<Vec<u8>> {
        let mut all = Vec::new();
        loop {
            let (part, end) = self.read(file, all.len() as u64, 1 << 20)?;
            assert!(end || !part.is_empty(), "neither bytes nor the end");
            all.extend(part);
            if end {
                return Ok(all);
            }
        }
    }

    pub fn write(
        &mut self,
        file: &Fh,
        offset: u64,
        data: &[u8],
        stable: stable_how,
    ) -> Answer<WRITE3resok> {
        let (count, data) = (data.len() as u32, Opaque::borrowed(data));
        let args = WRITE3args { file: file.clone(), offset, count, stable, data };
        of(self.nfs::<_, WRITE3res>(NFS_PROGRAM::NFSPROC3_WRITE, &args))
    }

    pub fn commit(&mut self, file: &Fh) -> Answer<writeverf3> {
        let args = COMMIT3args { file: file.clone(), offset: 0, count: 0 };
        of(self.nfs::<_, COMMIT3res>(NFS_PROGRAM::NFSPROC3_COMMIT, &args)).map(|d| d.verf)
    }

    pub fn create(&mut self, dir: &Fh, name: &[u8], how: createhow3) -> Answer<(Fh, fattr3)> {
        let args = CREATE3args { where_: place(dir, name), how };
        of(self.nfs::<_, CREATE3res>(NFS_PROGRAM::NFSPROC3_CREATE, &args))
            .map(|d| made(d.obj, d.obj_attributes))
    }

    /// A new file that holds `bytes`.
    pub fn put(&mut self, dir: &Fh, name: &[u8], bytes: &[u8]) -> Fh {
        let how = createhow3::GUARDED(sattr3::default());
        let file = self.create(dir, name, how).unwrap().0;
        self.write(&file, 0, bytes, stable_how::UNSTABLE).unwrap();
        file
    }

    pub fn mkdir(&mut self, dir: &Fh, name: &[u8], attributes: sattr3) -> Answer<(Fh, fattr3)> {
        let args = MKDIR3args { where_: place(dir, name), attributes };
        of(self.nfs::<_, MKDIR3res>(NFS_PROGRAM::NFSPROC3_MKDIR, &args))
            .map(|d| made(d.obj, d.obj_attributes))
    }

    pub fn symlink(&mut self, dir: &Fh, name: &[u8], target: &[u8]) -> Answer<(Fh, fattr3)> {
        let symlink_attributes = sattr3::default();
        let symlink = symlinkdata3 { symlink_attributes, symlink_data: target.into() };
        let args = SYMLINK3args { where_: place(dir, name), symlink };
        of(self.nfs::<_, SYMLINK3res>(NFS_PROGRAM::NFSPROC3_SYMLINK, &args))
            .map(|d| made(d.obj, d.obj_attributes))
    }

    pub fn mknod(&mut self, dir: &Fh, name: &[u8], what: mknoddata3) -> Answer<()> {
        let args = MKNOD3args { where_: place(dir, name), what };
        of(self.nfs::<_, MKNOD3res>(NFS_PROGRAM::NFSPROC3_MKNOD, &args)).map(drop)
    }

    pub fn remove(&mut self, dir: &Fh, name: &[u8]) -> Answer<()> {
        let args = REMOVE3args { object: place(dir, name) };
        of(self.nfs::<_, REMOVE3res>(NFS_PROGRAM::NFSPROC3_REMOVE, &args)).map(drop)
    }

    pub fn rmdir(&mut self, dir: &Fh, name: &[u8]) -> Answer<()> {
        let args = RMDIR3args { object: place(dir, name) };
        of(self.nfs::<_, RMDIR3res>(NFS_PROGRAM::NFSPROC3_RMDIR, &args)).map(drop)
    }

    pub fn rename(&mut self, from: (&Fh, &[u8]), to: (&Fh, &[u8])) -> Answer<()> {
        let args = RENAME3args { from: place(from.0, from.1), to: place(to.0, to.1) };
        of(self.nfs::<_, RENAME3res>(NFS_PROGRAM::NFSPROC3_RENAME, &args)).map(drop)
    }

    pub fn link(&mut self, file: &Fh, dir: &Fh, name: &[u8]) -> Answer<()> {
        let args = LINK3args { file: file.clone(), link: place(dir, name) };
        of(self.nfs::<_, LINK3res>(NFS_PROGRAM::NFSPROC3_LINK, &args)).map(drop)
    }

    pub fn readdir(&mut self, dir: &Fh, cookie: u64, count: u32) -> Answer<dirlist3<'static>> {
        let cookieverf = cookieverf3::default();
        let args = READDIR3args { dir: dir.clone(), cookie, cookieverf, count };
        of(self.nfs::<_, READDIR3res<'static>>(NFS_PROGRAM::NFSPROC3_READDIR, &args))
            .map(|d| d.reply)
    }

    pub fn readdirplus(
        &mut self,
        dir: &Fh,
        cookie: u64,
        (dircount, maxcount): (u32, u32),
    ) -> Answer<dirlistplus3<'static>> {
        let cookieverf = cookieverf3::default();
        let args = READDIRPLUS3args { dir: dir.clone(), cookie, cookieverf, dircount, maxcount };
        of(self.nfs::<_, READDIRPLUS3res<'static>>(NFS_PROGRAM::NFSPROC3_READDIRPLUS, &args))
            .map(|d| d.reply)
    }

    /// Everything in a directory but `.` and `..`, with what is told of it.
    pub fn list(&mut self, dir: &Fh) -> Answer<Vec<entryplus3<'static>>> {
        let (mut all, mut cookie) = (Vec::new(), 0);
        loop {
            let part = self.readdirplus(dir, cookie, (8 << 10, 64 << 10))?;
            cookie = part.entries.0.last().map_or(cookie, |e| e.cookie);
            all.extend(part.entries.0);
            if part.eof {
                all.retain(|e| !matches!(e.name.as_ref(), b"." | b".."));
                return Ok(all);
            }
        }
    }

    pub fn names(&mut self, dir: &Fh) -> Vec<String> {
        let all = self.list(dir).unwrap();
        let name = |e: entryplus3<'_>| String::from_utf8(e.name.as_ref().to_vec()).unwrap();
        let mut names: Vec<_> = all.into_iter().map(name).collect();
        names.sort();
        names
    }

    pub fn fsstat(&mut self, file: &Fh) -> Answer<FSSTAT3resok> {
        let args = FSSTAT3args { fsroot: file.clone() };
        of(self.nfs::<_, FSSTAT3res>(NFS_PROGRAM::NFSPROC3_FSSTAT, &args))
    }

    pub fn fsinfo(&mut self, file: &Fh) -> Answer<FSINFO3resok> {
        let args = FSINFO3args { fsroot: file.clone() };
        of(self.nfs::<_, FSINFO3res>(NFS_PROGRAM::NFSPROC3_FSINFO, &args))
    }

    pub fn pathconf(&mut self, file: &Fh) -> Answer<PATHCONF3resok> {
        let args = PATHCONF3args { object: file.clone() };
        of(self.nfs::<_, PATHCONF3res>(NFS_PROGRAM::NFSPROC3_PATHCONF, &args))
    }
}
