//! Hosts in addresses of services.

/// With this port, if it names none. The colons of a bare IPv6 address are none of a port.
pub(crate) fn with_port(host: &str, port: &str) -> String {
    let has_port = match host.rsplit_once(':') {
        Some((before, _)) => !before.contains(':') || before.ends_with(']'),
        None => false,
    };
    if has_port { host.to_owned() } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_added_where_none_is() {
        for (host, whole) in [
            ("db-1", "db-1:42"),
            ("db-1:7", "db-1:7"),
            ("10.0.0.1", "10.0.0.1:42"),
            ("[::1]:7", "[::1]:7"),
            ("[::1]", "[::1]:42"),
        ] {
            assert_eq!(with_port(host, "42"), whole);
        }
    }
}
