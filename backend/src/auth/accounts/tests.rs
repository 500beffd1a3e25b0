//! What is no name, address or password for an account.

use super::*;

fn field(result: &Result<(), AuthError>) -> Option<&'static str> {
    match result {
        Err(AuthError::Invalid { field, .. }) => Some(field),
        _ => None,
    }
}

#[test]
fn names_passwords_and_addresses_are_checked() {
    assert!(check_username("Anna_1.x-y").is_ok());
    for bad in ["", "a b", "uid:0", "ä", &"a".repeat(33)] {
        assert_eq!(field(&check_username(bad)), Some("username"), "{bad}");
    }
    assert!(check_password(&"p".repeat(256)).is_ok());
    assert!(check_password(&"é".repeat(256)).is_ok());
    for bad in ["", "1234567", "ééééééé", &"p".repeat(257)] {
        assert_eq!(field(&check_password(bad)), Some("password"), "{bad}");
    }
    assert!(check_email("anna@example.org").is_ok());
    for bad in [
        "",
        "anna",
        "a@b@c",
        "a@b\r\nBcc: c@d",
        &format!("a@{}.de", "b".repeat(300)),
    ] {
        assert_eq!(field(&check_email(bad)), Some("email"), "{bad}");
    }
}
