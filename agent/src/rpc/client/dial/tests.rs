use super::*;

#[test]
fn an_address_that_is_left_out_has_a_text_of_its_own() {
    assert_eq!(host_and_port(""), Err("missing address".to_owned()));
    assert_eq!(host_and_port(" "), Err("address  : missing port in address".to_owned()));
    assert_eq!(host_and_port(":1"), Ok(("", 1)));
}
