//! Signatures of Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body`, in base64.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;
use tgs_protocol::notification::SigningSecret;

/// The value of `webhook-signature`: one signature for each secret, the newest first, so that a
/// receiver that knows any of them can verify.
pub fn signatures(secrets: &[&SigningSecret], id: &str, seconds: u64, body: &[u8]) -> String {
    let one = |secret: &&SigningSecret| {
        let mut signing =
            hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &secret.key()));
        signing.update(format!("{id}.{seconds}.").as_bytes());
        signing.update(body);
        format!("v1,{}", STANDARD.encode(signing.sign()))
    };
    secrets.iter().map(one).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SigningSecret {
        SigningSecret::try_from(text.to_owned()).expect("a secret")
    }

    /// The example of the specification and of its libraries' own tests.
    #[test]
    fn the_published_example_is_signed_as_published() {
        let secret = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let signed = signatures(
            &[&secret],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_secret_signs() {
        let (new, old) = (SigningSecret::of_key(&[1; 32]), SigningSecret::of_key(&[2; 32]));
        let (new, old) = (new.expect("a secret"), old.expect("a secret"));
        let both = signatures(&[&new, &old], "msg_a_1", 7, b"{}");
        let alone = [&new, &old].map(|secret| signatures(&[secret], "msg_a_1", 7, b"{}"));
        assert_eq!(both, alone.join(" "));
        assert_ne!(alone[0], alone[1]);
        assert_ne!(alone[0], signatures(&[&new], "msg_a_1", 8, b"{}"));
    }
}
