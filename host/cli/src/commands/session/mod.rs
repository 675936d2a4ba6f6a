//! `brio session …`
pub(crate) mod approve;
pub(crate) mod begin;
pub(crate) mod checkpoint;
pub(crate) mod commit;
pub(crate) mod decide;
pub(crate) mod diff;
pub(crate) mod exec;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod path;
pub(crate) mod resolve;
pub(crate) mod restore;
pub(crate) mod rollback;
pub(crate) mod say;
pub(crate) mod show;
