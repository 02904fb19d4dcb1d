//! Where a job listens, as people write it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Why an address can't be listened on. The text follows the setting and what was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenReason {
    #[error("there is no port")]
    NoPort,
    #[error("there is no address before the port")]
    NoAddress,
    #[error("the port is no number from 0 to 65535")]
    Port,
    #[error("an IPv6 address with a port is written in brackets")]
    Brackets,
    #[error("not an IP address, and names are not looked up")]
    Name,
}

impl ListenReason {
    /// What to write instead.
    pub const fn hint(self) -> &'static str {
        match self {
            Self::NoPort | Self::Port => "write ADDRESS:PORT, such as 127.0.0.1:8080; port 0 takes any that is free",
            Self::NoAddress => {
                "write 127.0.0.1:PORT for this machine alone, 0.0.0.0:PORT or [::]:PORT for all networks"
            }
            Self::Brackets => "write it as [::1]:8080",
            Self::Name => "write the IP address of one of this machine's interfaces, or localhost:PORT",
        }
    }
}

/// `ADDRESS:PORT`, an IPv6 address in brackets, or `localhost:PORT`, which is 127.0.0.1. No name is looked up: where a job listens
/// does not depend on an answer from the network.
///
/// # Errors
/// What is wrong with it.
pub fn parse_listen(text: &str) -> Result<SocketAddr, ListenReason> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Err(ListenReason::Brackets);
    }
    // The colons within brackets belong to the address.
    let Some((host, port)) = text.rsplit_once(':').filter(|(_, port)| !port.contains(']')) else {
        return Err(if text.parse::<u16>().is_ok() { ListenReason::NoAddress } else { ListenReason::NoPort });
    };
    match (host, port) {
        (_, "") => Err(ListenReason::NoPort),
        ("", _) => Err(ListenReason::NoAddress),
        (host, port) => {
            let port = port.parse().map_err(|_| ListenReason::Port)?;
            match host {
                "localhost" => Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
                host if host.parse::<std::net::Ipv6Addr>().is_ok() => Err(ListenReason::Brackets),
                _ => Err(ListenReason::Name),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Result<String, ListenReason> {
        parse_listen(text).map(|address| address.to_string())
    }

    #[test]
    fn an_address_has_a_port_and_is_no_name() {
        for (text, address) in [
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("[::1]:0", "[::1]:0"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("localhost:1", "127.0.0.1:1"),
        ] {
            assert_eq!(listen(text), Ok(address.to_owned()), "{text}");
        }
        for (text, reason) in [
            ("", ListenReason::NoPort),
            ("127.0.0.1", ListenReason::NoPort),
            ("127.0.0.1:", ListenReason::NoPort),
            ("localhost", ListenReason::NoPort),
            ("[::1]", ListenReason::NoPort),
            ("8080", ListenReason::NoAddress),
            (":8080", ListenReason::NoAddress),
            ("127.0.0.1:65536", ListenReason::Port),
            ("127.0.0.1:http", ListenReason::Port),
            ("127.0.0.1:-1", ListenReason::Port),
            ("::1", ListenReason::Brackets),
            ("fe80::1:2:3:4:5:8080", ListenReason::Brackets),
            ("example.com:80", ListenReason::Name),
            ("http://127.0.0.1:80", ListenReason::Name),
        ] {
            assert_eq!(listen(text), Err(reason), "{text}");
        }
    }
}
