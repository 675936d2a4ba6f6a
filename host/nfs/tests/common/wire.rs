//! Calls as bytes, for what no proper client does.

use std::io::{Read, Write};
use std::net::TcpStream;

use nfs3_types::rpc::{RPC_VERSION_2, call_body, msg_body, opaque_auth, rpc_msg};
use nfs3_types::xdr_codec::Pack;

pub fn packed(value: &impl Pack) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.pack(&mut bytes).unwrap();
    bytes
}

/// A whole call, without the length before it.
pub fn call(
    xid: u32,
    (prog, vers, proc): (u32, u32, u32),
    cred: &opaque_auth<'static>,
    arguments: &[u8],
) -> Vec<u8> {
    let verf = opaque_auth::default();
    let (rpcvers, cred) = (RPC_VERSION_2, cred.borrow());
    let body = msg_body::CALL(call_body { rpcvers, prog, vers, proc, cred, verf });
    let mut bytes = packed(&rpc_msg { xid, body });
    bytes.extend_from_slice(arguments);
    bytes
}

pub fn record(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32 | 1 << 31).to_be_bytes(), bytes].concat()
}

pub fn send(stream: &mut TcpStream, call: &[u8]) {
    stream.write_all(&record(call)).unwrap();
}

/// The next answer, of one piece. `None`: hung up.
pub fn receive(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).ok()?;
    let len = u32::from_be_bytes(head);
    assert!(len & 1 << 31 != 0, "an answer is of one piece");
    let mut bytes = vec![0; (len & !(1 << 31)) as usize];
    stream.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

pub fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at * 4..at * 4 + 4].try_into().unwrap())
}
