use super::*;

fn refusal(address: &str) -> String {
    host_and_port(address).expect_err(address)
}

#[test]
fn addresses_are_split_as_go_does() {
    for (address, host, port) in [
        ("127.0.0.1:7373", "127.0.0.1", 7373),
        ("[::1]:7373", "::1", 7373),
        ("[127.0.0.1]:1", "127.0.0.1", 1),
        (":1", "", 1),
        ("[]:1", "", 1),
        ("h:", "h", 0),
        ("h:+1", "h", 1),
        ("h:-0", "h", 0),
        ("h:00001", "h", 1),
        (" h:65535", " h", 65535),
    ] {
        assert_eq!(host_and_port(address), Ok((host, port)), "{address}");
    }
}

#[test]
fn bad_addresses_have_the_texts_of_go() {
    assert_eq!(refusal(""), "missing address");
    for (address, why) in [
        ("127.0.0.1", "missing port in address"),
        (" ", "missing port in address"),
        ("[::1]", "missing port in address"),
        ("[::1]x", "missing port in address"),
        ("[a]b]:1", "missing port in address"),
        ("::1", "too many colons in address"),
        ("a:b:c", "too many colons in address"),
        ("[::1]:1:2", "too many colons in address"),
        ("[::1", "missing ']' in address"),
        ("a]:1", "unexpected ']' in address"),
        ("a[:1", "unexpected '[' in address"),
        ("[a[]:1", "unexpected '[' in address"),
    ] {
        assert_eq!(refusal(address), format!("address {address}: {why}"));
    }
    for port in ["99999", "65536", "-1", "99999999999999999999"] {
        assert_eq!(refusal(&format!("h:{port}")), format!("address {port}: invalid port"));
    }
    for port in ["nosuchservice", "0x1", "1a", " 1"] {
        assert_eq!(refusal(&format!("h:{port}")), format!("address tcp/{port}: unknown port"));
    }
}

#[test]
fn services_are_found_by_name_and_alias() {
    let services = "# comment\ntftp 69/udp\nhttp\t\t80/tcp\t\twww # WorldWideWeb\nbad x/tcp\n";
    assert_eq!(service_port(services, "http"), Some(80));
    assert_eq!(service_port(services, "www"), Some(80));
    assert_eq!(service_port(services, "tftp"), None);
    assert_eq!(service_port(services, "bad"), None);
    assert_eq!(service_port(services, "comment"), None);
}

#[test]
fn numbers_that_only_the_c_library_takes_for_addresses_are_not_looked_up() {
    for host in ["127.1", "0", "01.2.3.4", "256.0.0.1", "0x7f000001"] {
        assert!(is_old_ipv4_notation(host), "{host}");
    }
    for host in ["localhost", "n1", "a.b", "1.example", ""] {
        assert!(!is_old_ipv4_notation(host), "{host}");
    }
}
