//! Addresses of Flight servers, as node.toml and servers write them.

use std::net::IpAddr;

use tonic::transport::Uri;

/// Where a server is, and whether the way there is TLS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Address {
    pub tls: bool,
    pub host: String,
    pub port: u16,
}

/// What a server names for the connection that the client has already.
const SAME_CONNECTION: &str = "arrow-flight-reuse-connection:";

impl Address {
    /// `grpc+tls://host:port`, `grpc://host:port` or `grpc+tcp://host:port`, with nothing else in it.
    pub(crate) fn parse(text: &str) -> Option<Address> {
        let uri: Uri = text.trim().parse().ok()?;
        let tls = match uri.scheme_str()? {
            "grpc+tls" => true,
            "grpc" | "grpc+tcp" => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        if authority.as_str().contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return None;
        }
        Some(Address { tls, host: uri.host()?.to_ascii_lowercase(), port: uri.port_u16()? })
    }

    /// Whether it surely is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// For the transport.
    pub(crate) fn uri(&self) -> String {
        format!("{}://{}:{}", if self.tls { "https" } else { "http" }, self.host, self.port)
    }

    /// As node.toml writes it.
    pub(crate) fn text(&self) -> String {
        format!("{}://{}:{}", if self.tls { "grpc+tls" } else { "grpc" }, self.host, self.port)
    }
}

/// Which of the known servers an endpoint is at, the first of which was asked. `None` where it is at none of them.
pub(crate) fn locate<'a>(known: &[Address], mut locations: impl Iterator<Item = &'a str>) -> Option<usize> {
    let Some(first) = locations.next() else { return Some(0) };
    std::iter::once(first).chain(locations).find_map(|location| {
        if location.starts_with(SAME_CONNECTION) {
            return Some(0);
        }
        let address = Address::parse(location)?;
        known.iter().position(|own| *own == address)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port_and_nothing_else() {
        for (text, again, loopback) in [
            ("grpc+tls://Engine.example:32010", "grpc+tls://engine.example:32010", false),
            (" grpc://127.0.0.1:1 ", "grpc://127.0.0.1:1", true),
            ("grpc+tcp://[::1]:1/", "grpc://[::1]:1", true),
            ("grpc://localhost:1", "grpc://localhost:1", true),
            ("grpc://10.0.0.1:1", "grpc://10.0.0.1:1", false),
        ] {
            let address = Address::parse(text).expect(text);
            assert_eq!((address.text().as_str(), address.is_loopback()), (again, loopback), "{text}");
        }
        for bad in [
            "",
            "localhost:1",
            "https://localhost:1",
            "grpc://localhost",
            "grpc+unix:///tmp/socket",
            "grpc://user:secret@localhost:1",
            "grpc://localhost:1/path",
            "grpc://localhost:1?a=b",
            "grpc://localhost:99999",
        ] {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_known_servers_are_read_from() {
        let known = ["grpc+tls://a.example:1", "grpc+tls://b.example:1"];
        let known = known.map(|text| Address::parse(text).expect("an address"));
        let at = |locations: &[&str]| locate(&known, locations.iter().copied());
        assert_eq!(at(&[]), Some(0));
        assert_eq!(at(&["arrow-flight-reuse-connection://?"]), Some(0));
        assert_eq!(at(&["grpc+tls://A.example:1"]), Some(0));
        assert_eq!(at(&["grpc+tls://c.example:1", "grpc+tls://b.example:1"]), Some(1));
        for other in [
            "grpc+tls://c.example:1",
            "grpc://a.example:1",
            "grpc+tls://a.example:2",
            "",
            "https://a.example:1",
        ] {
            assert_eq!(at(&[other]), None, "{other}");
        }
    }
}
