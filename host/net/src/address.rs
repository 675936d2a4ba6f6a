//! Addresses that are nobody's to reach unless they are named.
//!
//! By IANA's registries of special-purpose addresses. Of IPv6 only the block from which global
//! addresses are given out is public, so what is not known yet is not public either.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is that is not public, in one word or two; `None`: it is public.
///
/// An address that carries another one (IPv4-mapped, NAT64) is what that is; a form of tunnels
/// or of the past (IPv4-compatible, 6to4, Teredo) is never public.
pub fn not_public(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(v4) => of_v4(v4),
        IpAddr::V6(v6) => of_v6(v6),
    }
}

const V4: [(Ipv4Addr, u32, &str); 18] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, "unspecified"),
    (Ipv4Addr::new(10, 0, 0, 0), 8, "private"),
    (Ipv4Addr::new(100, 64, 0, 0), 10, "carrier-grade NAT"),
    (Ipv4Addr::new(127, 0, 0, 0), 8, "loopback"),
    (Ipv4Addr::new(169, 254, 169, 254), 32, "cloud metadata"),
    (Ipv4Addr::new(169, 254, 0, 0), 16, "link-local"),
    // Azure's, in a public block.
    (Ipv4Addr::new(168, 63, 129, 16), 32, "cloud metadata"),
    (Ipv4Addr::new(172, 16, 0, 0), 12, "private"),
    (Ipv4Addr::new(192, 0, 0, 0), 24, "reserved"),
    (Ipv4Addr::new(192, 0, 2, 0), 24, "documentation"),
    (Ipv4Addr::new(192, 88, 99, 0), 24, "6to4 relay"),
    (Ipv4Addr::new(192, 168, 0, 0), 16, "private"),
    (Ipv4Addr::new(198, 18, 0, 0), 15, "benchmarking"),
    (Ipv4Addr::new(198, 51, 100, 0), 24, "documentation"),
    (Ipv4Addr::new(203, 0, 113, 0), 24, "documentation"),
    (Ipv4Addr::new(255, 255, 255, 255), 32, "broadcast"),
    (Ipv4Addr::new(224, 0, 0, 0), 4, "multicast"),
    (Ipv4Addr::new(240, 0, 0, 0), 4, "reserved"),
];

fn of_v4(address: Ipv4Addr) -> Option<&'static str> {
    let bits = u32::from(address);
    let within =
        |(net, prefix, _): &&(Ipv4Addr, u32, &str)| (bits ^ u32::from(*net)) >> (32 - prefix) == 0;
    V4.iter().find(within).map(|(_, _, what)| *what)
}

const V6: [(Ipv6Addr, u32, &str); 11] = [
    (Ipv6Addr::UNSPECIFIED, 128, "unspecified"),
    (Ipv6Addr::LOCALHOST, 128, "loopback"),
    (Ipv6Addr::UNSPECIFIED, 96, "IPv4-compatible"),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10, "link-local"),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10, "site-local"),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7, "unique-local"),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8, "multicast"),
    // Teredo, ORCHID, benchmarking and other protocols' own.
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, "reserved"),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32, "documentation"),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, "6to4"),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20, "documentation"),
];

fn of_v6(address: Ipv6Addr) -> Option<&'static str> {
    let bits = u128::from(address);
    let same = |net: Ipv6Addr, prefix: u32| (bits ^ u128::from(net)) >> (128 - prefix) == 0;
    if same(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96) {
        return of_v4(Ipv4Addr::from(bits as u32));
    }
    if let Some((_, _, what)) = V6.iter().find(|(net, prefix, _)| same(*net, *prefix)) {
        return Some(what);
    }
    let global = same(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
    (!global).then_some("reserved")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Option<&'static str> {
        not_public(text.parse().unwrap())
    }

    #[test]
    fn each_block_from_its_first_address_to_its_last() {
        for (first, last, what) in [
            ("0.0.0.0", "0.255.255.255", "unspecified"),
            ("10.0.0.0", "10.255.255.255", "private"),
            ("100.64.0.0", "100.127.255.255", "carrier-grade NAT"),
            ("127.0.0.0", "127.255.255.255", "loopback"),
            ("169.254.0.0", "169.254.255.255", "link-local"),
            ("169.254.169.254", "169.254.169.254", "cloud metadata"),
            ("168.63.129.16", "168.63.129.16", "cloud metadata"),
            ("172.16.0.0", "172.31.255.255", "private"),
            ("192.0.0.0", "192.0.0.255", "reserved"),
            ("192.0.2.0", "192.0.2.255", "documentation"),
            ("192.168.0.0", "192.168.255.255", "private"),
            ("198.18.0.0", "198.19.255.255", "benchmarking"),
            ("198.51.100.0", "198.51.100.255", "documentation"),
            ("203.0.113.0", "203.0.113.255", "documentation"),
            ("224.0.0.0", "239.255.255.255", "multicast"),
            ("240.0.0.0", "255.255.255.254", "reserved"),
            ("255.255.255.255", "255.255.255.255", "broadcast"),
            ("::", "::", "unspecified"),
            ("::1", "::1", "loopback"),
            ("::2", "::ffff:ffff", "IPv4-compatible"),
            ("fe80::", "febf:ffff::", "link-local"),
            ("fc00::", "fdff:ffff::", "unique-local"),
            ("fd00:ec2::254", "fd00:ec2::254", "unique-local"),
            ("ff00::", "ffff::", "multicast"),
            ("2001::", "2001:1ff:ffff::", "reserved"),
            ("2001:db8::", "2001:db8:ffff::", "documentation"),
            ("2002::", "2002:ffff::", "6to4"),
            ("3fff::", "3fff:fff:ffff::", "documentation"),
            ("64:ff9b:1::", "64:ff9b:1:ffff::", "reserved"),
            ("100::", "100::ffff", "reserved"),
            ("5f00::", "5f00:ffff::", "reserved"),
        ] {
            assert_eq!((of(first), of(last)), (Some(what), Some(what)), "{first} {last}");
        }
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2606:4700::1111",
            "2a00:1450::1",
            "3ffe::1",
            "64:ff9b::8.8.8.8",
            "::ffff:8.8.8.8",
        ] {
            assert_eq!(of(public), None, "{public}");
        }
    }

    proptest! {
        /// No form of writing one address in another makes more of it than it is.
        #[test]
        fn what_carries_an_address_is_no_more_public_than_that(bits: u32) {
            let v4 = Ipv4Addr::from(bits);
            let class = not_public(v4.into());
            let in_v6 = |high: u128| IpAddr::V6(Ipv6Addr::from(high << 32 | u128::from(bits)));
            prop_assert_eq!(not_public(in_v6(0xffff)), class);
            prop_assert_eq!(not_public(in_v6(0x64_ff9b << 64)), class);
            prop_assert!(not_public(in_v6(0)).is_some());
            let to4 = 0x2002_u128 << 112 | u128::from(bits) << 80;
            prop_assert!(not_public(IpAddr::V6(Ipv6Addr::from(to4))).is_some());
            let teredo = 0x2001_0000_u128 << 96 | u128::from(!bits);
            prop_assert!(not_public(IpAddr::V6(Ipv6Addr::from(teredo))).is_some());
        }

        /// As the standard library sees it, which knows less.
        #[test]
        fn what_the_standard_library_knows_is_known(bits: u32, v6: u128) {
            let v4 = Ipv4Addr::from(bits);
            if v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
                || v4.is_documentation() || v4.is_broadcast() || v4.is_unspecified()
            {
                prop_assert!(not_public(v4.into()).is_some(), "{}", v4);
            }
            let v6 = Ipv6Addr::from(v6);
            if not_public(v6.into()).is_none() && v6.to_ipv4_mapped().is_none() {
                let global = v6.segments()[0] & 0xe000 == 0x2000 || v6.segments()[..2] == [0x64, 0xff9b];
                prop_assert!(global && !v6.is_unique_local() && !v6.is_unicast_link_local());
            }
        }
    }
}
