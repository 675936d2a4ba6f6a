//! ONC RPC version 2 (RFC 5531): what a call says of itself, and how it is answered.

use crate::xdr::{Decoder, Encoder, Garbage};

const CALL: u32 = 0;
const REPLY: u32 = 1;
const VERSION: u32 = 2;

/// A credential, or its proof, is no longer.
const LONGEST_AUTH: usize = 400;
const LONGEST_NAME: usize = 255;
const MOST_GROUPS: u32 = 16;

const AUTH_NONE: u32 = 0;
pub(crate) const AUTH_UNIX: u32 = 1;

/// Who a client says that its user is. Nobody vouches for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credential {
    None,
    Unix {
        uid: u32,
    },
    /// Of a kind that is not known here.
    Other,
}

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call<'a> {
    pub xid: u32,
    pub program: u32,
    pub version: u32,
    pub procedure: u32,
    pub credential: Credential,
    pub arguments: Decoder<'a>,
}

/// Why one is not answered as it was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is no call: whoever sends that is hung up on.
    NoCall,
    /// Another version of RPC.
    Version { xid: u32 },
    /// Its credential makes no sense.
    Credential { xid: u32 },
}

impl<'a> Call<'a> {
    pub(crate) fn parse(record: &'a [u8]) -> Result<Self, Refusal> {
        let mut d = Decoder::new(record);
        let head = |d: &mut Decoder<'_>| Ok::<_, Garbage>((d.u32()?, d.u32()?, d.u32()?));
        let (xid, kind, version) = head(&mut d).map_err(|_| Refusal::NoCall)?;
        if kind != CALL {
            return Err(Refusal::NoCall);
        }
        if version != VERSION {
            return Err(Refusal::Version { xid });
        }
        let (program, version, procedure) = head(&mut d).map_err(|_| Refusal::NoCall)?;
        let credential = credential(&mut d).map_err(|_| Refusal::Credential { xid })?;
        // Nothing that is known here proves anything.
        let mut proof = || {
            d.u32()?;
            d.opaque(LONGEST_AUTH)
        };
        proof().map_err(|_| Refusal::Credential { xid })?;
        Ok(Self { xid, program, version, procedure, credential, arguments: d })
    }
}

fn credential(d: &mut Decoder<'_>) -> Result<Credential, Garbage> {
    let flavor = d.u32()?;
    let mut body = Decoder::new(d.opaque(LONGEST_AUTH)?);
    match flavor {
        AUTH_NONE => Ok(Credential::None),
        AUTH_UNIX => {
            let _stamp = body.u32()?;
            body.opaque(LONGEST_NAME)?;
            let uid = body.u32()?;
            let _gid = body.u32()?;
            let groups = body.u32()?;
            if groups > MOST_GROUPS {
                return Err(Garbage);
            }
            for _ in 0..groups {
                body.u32()?;
            }
            body.end()?;
            Ok(Credential::Unix { uid })
        }
        _ => Ok(Credential::Other),
    }
}

/// Why an accepted call was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unable {
    NoProgram,
    Versions {
        low: u32,
        high: u32,
    },
    NoProcedure,
    Arguments,
    /// It is this program's fault.
    System,
}

impl From<Garbage> for Unable {
    fn from(_: Garbage) -> Self {
        Self::Arguments
    }
}

/// The beginning of an answer, of which about `bytes` follow.
pub(crate) fn success(xid: u32, bytes: usize) -> Encoder {
    let mut e = accepted(xid, 24 + bytes);
    e.u32(0);
    e
}

fn accepted(xid: u32, bytes: usize) -> Encoder {
    let mut e = Encoder::with_capacity(bytes);
    e.u32(xid);
    e.u32(REPLY);
    e.u32(0);
    e.u32(AUTH_NONE);
    e.opaque(b"");
    e
}

pub(crate) fn unable(xid: u32, why: Unable) -> Vec<u8> {
    let mut e = accepted(xid, 32);
    match why {
        Unable::NoProgram => e.u32(1),
        Unable::Versions { low, high } => [2, low, high].map(|n| e.u32(n)).into_iter().collect(),
        Unable::NoProcedure => e.u32(3),
        Unable::Arguments => e.u32(4),
        Unable::System => e.u32(5),
    }
    e.into_bytes()
}

/// The answer to what is not carried out at all; `None`: there is none.
pub(crate) fn refused(refusal: Refusal) -> Option<Vec<u8>> {
    match refusal {
        Refusal::NoCall => None,
        Refusal::Version { xid } => Some(denied(xid, &[0, VERSION, VERSION])),
        // AUTH_BADCRED
        Refusal::Credential { xid } => Some(denied(xid, &[1, 1])),
    }
}

/// The answer to whoever may do nothing here: AUTH_TOOWEAK.
pub(crate) fn too_weak(xid: u32) -> Vec<u8> {
    denied(xid, &[1, 5])
}

fn denied(xid: u32, why: &[u32]) -> Vec<u8> {
    let mut e = Encoder::with_capacity(24);
    for n in [xid, REPLY, 1].iter().chain(why) {
        e.u32(*n);
    }
    e.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(flavor: u32, body: &[u8]) -> Vec<u8> {
        let mut e = Encoder::default();
        for n in [9, CALL, VERSION, 100_003, 3, 1, flavor] {
            e.u32(n);
        }
        e.opaque(body);
        e.u32(AUTH_NONE);
        e.opaque(b"");
        e.u32(77);
        e.into_bytes()
    }

    fn unix(uid: u32, groups: u32, written: u32) -> Vec<u8> {
        let mut e = Encoder::default();
        e.u32(1);
        e.opaque(b"host");
        for n in [uid, 2, groups].into_iter().chain(0..written) {
            e.u32(n);
        }
        e.into_bytes()
    }

    #[test]
    fn calls_are_taken_apart() {
        let record = call(AUTH_UNIX, &unix(501, 2, 2));
        let mut parsed = Call::parse(&record).unwrap();
        assert_eq!(
            (parsed.xid, parsed.program, parsed.version, parsed.procedure),
            (9, 100_003, 3, 1)
        );
        assert_eq!(parsed.credential, Credential::Unix { uid: 501 });
        assert_eq!((parsed.arguments.u32(), parsed.arguments.end()), (Ok(77), Ok(())));
        for len in 0..record.len() - 4 {
            assert!(Call::parse(&record[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn credentials_that_claim_too_much_are_refused() {
        for body in [unix(1, 17, 17), unix(1, 3, 2), unix(1, u32::MAX, 0), vec![0; 401]] {
            let refused = Call::parse(&call(AUTH_UNIX, &body)).map(drop);
            assert_eq!(refused, Err(Refusal::Credential { xid: 9 }));
        }
        let other = call(6, b"gss");
        assert_eq!(Call::parse(&other).unwrap().credential, Credential::Other);
    }
}
