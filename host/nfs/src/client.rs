//! Who may connect.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// Addresses of machines: one, or all whose first bits are the same (`192.168.1.0/24`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// It is no address and no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address, as 192.168.1.7 or fd00::7, and no network, as 192.168.1.0/24")]
pub struct NetworkError {
    text: String,
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let parse = || {
            let (address, bits) = match text.split_once('/') {
                Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
                None => (text, None),
            };
            let address: IpAddr = address.parse().ok()?;
            let all = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.unwrap_or(all);
            let new = Self { address, bits };
            // What the network does not count must not be there.
            (bits <= all && new.start(address) == number(address)).then_some(new)
        };
        parse().ok_or_else(|| NetworkError { text: text.to_owned() })
    }
}

impl Network {
    /// Whether it is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.address.is_ipv4() == address.is_ipv4() && self.start(address) == number(self.address)
    }

    fn start(&self, address: IpAddr) -> u128 {
        let width: u32 = if address.is_ipv4() { 32 } else { 128 };
        let rest = width - u32::from(self.bits).min(width);
        number(address).checked_shr(rest).and_then(|n| n.checked_shl(rest)).unwrap_or(0)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u32::from(a).into(),
        IpAddr::V6(a) => a.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_their_first_bits() {
        let is = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(is("10.1.0.0/16", "10.1.255.3") && !is("10.1.0.0/16", "10.2.0.1"));
        assert!(is("0.0.0.0/0", "8.8.8.8") && !is("0.0.0.0/0", "::1"));
        assert!(is("192.168.1.7", "192.168.1.7") && !is("192.168.1.7", "192.168.1.8"));
        assert!(is("192.168.1.7", "::ffff:192.168.1.7"));
        assert!(is("fd00::/8", "fdff::1") && !is("fd00::/8", "fe80::1") && is("::/0", "::1"));
        for bad in
            ["", "x", "10.0.0.0/33", "10.0.0.1/8", "::/129", "10.0.0.0/-1", "10.0.0.0/", "1.2.3"]
        {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
