//! Default ACLs: what a directory hands down to what is created in it.
//!
//! The bytes are those of the extended attributes (`acl(5)`, `linux/posix_acl_xattr.h`): version
//! 2, then entries of tag, permissions and id, little endian. How a mode is mixed in is POSIX
//! 1003.1e draft 17, 23.5.2, as the kernel's `posix_acl_create` does it.

pub(crate) const ACCESS: &[u8] = b"system.posix_acl_access";
pub(crate) const DEFAULT: &[u8] = b"system.posix_acl_default";

const VERSION: u32 = 2;
const USER_OBJ: u16 = 1;
const GROUP_OBJ: u16 = 4;
const MASK: u16 = 16;
const OTHER: u16 = 32;

/// The access ACL of something that is created with `mode` below this default ACL. `None`: the
/// bytes are no ACL.
pub(crate) fn inherited(default: &[u8], mode: u32) -> Option<Vec<u8>> {
    let (head, entries) = default.split_at_checked(4)?;
    if u32::from_le_bytes(head.try_into().ok()?) != VERSION || entries.len() % 8 != 0 {
        return None;
    }
    let tag = |e: &[u8]| u16::from_le_bytes([e[0], e[1]]);
    let masked = entries.chunks_exact(8).any(|e| tag(e) == MASK);
    let mut out = default.to_vec();
    for e in out[4..].chunks_exact_mut(8) {
        let shift = match tag(e) {
            USER_OBJ => 6,
            GROUP_OBJ if !masked => 3,
            MASK => 3,
            OTHER => 0,
            _ => continue,
        };
        // Permissions lie in the low three bits.
        e[2] &= ((mode >> shift) & 7) as u8;
        e[3] = 0;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acl(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut out = VERSION.to_le_bytes().to_vec();
        for (tag, perm, id) in entries {
            out.extend(tag.to_le_bytes());
            out.extend(perm.to_le_bytes());
            out.extend(id.to_le_bytes());
        }
        out
    }

    #[test]
    fn a_mode_limits_what_is_handed_down() {
        let none = u32::MAX;
        let full = acl(&[(1, 7, none), (2, 6, 1000), (4, 7, none), (16, 7, none), (32, 5, none)]);
        let file = acl(&[(1, 6, none), (2, 6, 1000), (4, 7, none), (16, 4, none), (32, 4, none)]);
        assert_eq!(inherited(&full, 0o644), Some(file));
        let plain = acl(&[(1, 7, none), (4, 5, none), (32, 5, none)]);
        assert_eq!(
            inherited(&plain, 0o640),
            Some(acl(&[(1, 6, none), (4, 4, none), (32, 0, none)]))
        );
        assert_eq!(inherited(&full[..7], 0o644), None);
        assert_eq!(inherited(b"\x01\0\0\0", 0o644), None);
    }
}
