//! Where events may be sent: an address is looked at after the name was resolved, so that a name
//! cannot point inside today what it pointed outside yesterday. Private, local and special
//! addresses are refused unless the operator allows them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address may be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An ordinary public address.
    Public,
    /// Refused, with the kind of address it is.
    Refused(&'static str),
}

/// Judges one resolved address.
#[must_use]
pub fn judge(address: IpAddr) -> Verdict {
    let refused = match address {
        IpAddr::V4(v4) => refused_v4(v4),
        IpAddr::V6(v6) => refused_v6(v6),
    };
    refused.map_or(Verdict::Public, Verdict::Refused)
}

fn refused_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (0, ..) => Some("this network"),
        (127, ..) => Some("loopback"),
        (10, ..) | (192, 168, _) | (172, 16..=31, _) => Some("private"),
        (100, 64..=127, _) => Some("carrier-grade NAT"),
        (169, 254, _) => Some("link-local"),
        (192, 0, 0) => Some("protocol assignments"),
        (192, 0, 2) | (198, 51, 100) | (203, 0, 113) => Some("documentation"),
        (192, 88, 99) => Some("6to4 relay"),
        (198, 18..=19, _) => Some("benchmarking"),
        (224..=239, ..) => Some("multicast"),
        (240..=255, ..) => Some("reserved"),
        _ => None,
    }
}

fn refused_v6(address: Ipv6Addr) -> Option<&'static str> {
    // An IPv4 address in IPv6 clothes is judged as what it is.
    if let Some(v4) = address.to_ipv4_mapped() {
        return refused_v4(v4);
    }
    let [a, b, c, d, e, f, g, h] = address.segments();
    let inner = |hi: u16, lo: u16| {
        let ([a, b], [c, d]) = (hi.to_be_bytes(), lo.to_be_bytes());
        refused_v4(Ipv4Addr::new(a, b, c, d))
    };
    match a {
        0 if [b, c, d, e, f, g] == [0; 6] => Some(if h == 1 { "loopback" } else { "unspecified" }),
        0 if [b, c, d, e, f] == [0; 5] => Some("IPv4-compatible"),
        0x0064 if b == 0xff9b && [c, d, e, f] == [0; 4] => inner(g, h),
        0x0064 if b == 0xff9b && c == 1 => Some("local NAT64"),
        0x0100 if [b, c, d] == [0; 3] => Some("discard"),
        0x2001 if b == 0 => Some("Teredo"),
        0x2001 if b == 0x0db8 => Some("documentation"),
        0x2001 if (0x10..=0x2f).contains(&b) => Some("ORCHID"),
        0x2002 => inner(b, c),
        0x3fff => Some("documentation"),
        _ if a & 0xfe00 == 0xfc00 => Some("unique local"),
        _ if a & 0xffc0 == 0xfe80 => Some("link-local"),
        _ if a & 0xffc0 == 0xfec0 => Some("site-local"),
        _ if a & 0xff00 == 0xff00 => Some("multicast"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_addresses_pass() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "2606:4700::1111",
        ] {
            assert_eq!(judge(text.parse().unwrap()), Verdict::Public, "{text}");
        }
    }

    #[test]
    fn every_way_inside_is_refused() {
        for text in [
            "0.0.0.0",
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "192.0.2.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            let verdict = judge(text.parse().unwrap());
            assert!(
                matches!(verdict, Verdict::Refused(_)),
                "{text}: {verdict:?}"
            );
        }
    }
}
