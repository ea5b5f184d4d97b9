//! What kind of address an IP address is, after the special-purpose registries of IANA (RFC 6890
//! and its successors) and the addresses clouds keep for themselves. Pure; who may be called is
//! decided in the module above.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of address it is; the text names the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An ordinary address of the internet.
    Public,
    /// Of somebody's own network, where a PBX stands.
    Private(&'static str),
    /// Anything else: this machine, its link, a cloud's secrets, nothing at all.
    Special(&'static str),
}

/// Judges one address. An IPv4 address in IPv6 clothes is judged as what it is.
#[must_use]
pub fn judge(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(v4) => judge_v4(v4),
        IpAddr::V6(v6) => judge_v6(v6),
    }
}

fn judge_v4(address: Ipv4Addr) -> Kind {
    use Kind::{Private, Special};
    match address.octets() {
        // Alibaba's and Azure's; the others' are link-local.
        [100, 100, 100, 200] | [168, 63, 129, 16] => Special("cloud metadata"),
        [0, ..] => Special("this network"),
        [127, ..] => Special("loopback"),
        [10, ..] | [192, 168, ..] | [172, 16..=31, ..] => Private("private"),
        [100, 64..=127, ..] => Private("carrier-grade NAT"),
        [169, 254, ..] => Special("link-local"),
        [192, 0, 0, _] => Special("protocol assignments"),
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Special("documentation"),
        [192, 88, 99, _] => Special("6to4 relay"),
        [198, 18..=19, ..] => Special("benchmarking"),
        [224..=239, ..] => Special("multicast"),
        [240..=255, ..] => Special("reserved"),
        _ => Kind::Public,
    }
}

fn judge_v6(address: Ipv6Addr) -> Kind {
    use Kind::{Private, Special};
    let inner = |hi: u16, lo: u16| {
        let ([a, b], [c, d]) = (hi.to_be_bytes(), lo.to_be_bytes());
        judge_v4(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Special("unspecified"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Special("loopback"),
        // Mapped (RFC 4291), translated (RFC 2765), NAT64 (RFC 6052), 6to4 (RFC 3056).
        [0, 0, 0, 0, 0, 0xffff, hi, lo]
        | [0, 0, 0, 0, 0xffff, 0, hi, lo]
        | [0x0064, 0xff9b, 0, 0, 0, 0, hi, lo]
        | [0x2002, hi, lo, ..] => inner(hi, lo),
        [0, 0, 0, 0, 0, 0, ..] => Special("IPv4-compatible"),
        [0x0064, 0xff9b, 1, ..] => Special("local NAT64"),
        [0x0100, 0, 0, ..] => Special("discard"),
        // Teredo, benchmarking, ORCHID, anycast of protocols: nothing a platform stands at.
        [0x2001, 0..=0x01ff, ..] => Special("protocol assignments"),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Special("documentation"),
        // Amazon's and Google's.
        [0xfd00, 0x0ec2, ..] | [0xfd20, 0x00ce, ..] => Special("cloud metadata"),
        [0xfc00..=0xfdff, ..] => Private("unique local"),
        [0xfe80..=0xfebf, ..] => Special("link-local"),
        [0xfec0..=0xfeff, ..] => Special("site-local"),
        [0xff00..=0xffff, ..] => Special("multicast"),
        // All the internet there is (RFC 4291, "global unicast").
        [0x2000..=0x3fff, ..] => Kind::Public,
        _ => Special("reserved"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Kind {
        judge(text.parse().unwrap())
    }

    #[test]
    fn ordinary_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.1",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:200::1",
            "2a00:1450:4001::1",
            "3fff:1000::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::1",
        ] {
            assert_eq!(kind(text), Kind::Public, "{text}");
        }
    }

    #[test]
    fn own_networks_are_private() {
        for text in [
            "10.0.0.0",
            "10.255.255.255",
            "172.16.0.0",
            "172.31.255.255",
            "192.168.0.0",
            "192.168.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "fc00::1",
            "fd12:3456::1",
            "::ffff:192.168.1.1",
            "64:ff9b::c0a8:101",
            "2002:a00:1::",
        ] {
            assert!(
                matches!(kind(text), Kind::Private(_)),
                "{text}: {:?}",
                kind(text)
            );
        }
    }

    #[test]
    fn every_way_to_the_machine_and_the_clouds_secrets_is_special() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.0.0",
            "169.254.169.254",
            "169.254.255.255",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.1",
            "192.0.0.192",
            "192.0.2.1",
            "198.51.100.1",
            "203.0.113.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:0.0.0.0",
            "::ffff:169.254.169.254",
            "::ffff:0:127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::",
            "2001::1",
            "2001:2::1",
            "2001:10::1",
            "2001:2f::1",
            "2001:db8::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(
                matches!(kind(text), Kind::Special(_)),
                "{text}: {:?}",
                kind(text)
            );
        }
    }
}
