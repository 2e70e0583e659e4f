//! Service-account tokens: JSON web tokens signed with ES256.
//!
//! Invariants: a token is verified before any of its claims is looked at; whether the account and the pod it is
//! bound to still exist is asked at each use, by the caller.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
    UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The issuer, and the audience that this server is.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// Tokens longer than this are not looked at.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// The key that signs and verifies.
pub(crate) struct TokenKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
    key_id: String,
}

/// What a token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) aud: Vec<String>,
    pub(crate) exp: i64,
    pub(crate) iat: i64,
    pub(crate) iss: String,
    pub(crate) jti: String,
    #[serde(rename = "kubernetes.io")]
    pub(crate) bound: Bound,
    pub(crate) nbf: i64,
    pub(crate) sub: String,
}

/// The objects that a token is bound to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bound {
    pub(crate) namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pod: Option<Reference>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<Reference>,
    pub(crate) serviceaccount: Reference,
}

/// One object, by name and identity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Reference {
    pub(crate) name: String,
    /// Empty for the node of a pod whose node is not there.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) uid: String,
}

impl TokenKey {
    pub(crate) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &random).ok()?;
        let key_id = BASE64.encode(Sha256::digest(pair.public_key().as_ref()));
        Some(Self { pair, random, key_id })
    }

    /// A signed token. `None` if the system has no randomness.
    pub(crate) fn sign(&self, claims: &Claims) -> Option<String> {
        let header = json!({"alg": "ES256", "kid": self.key_id});
        let claims = serde_json::to_vec(claims).ok()?;
        let signed = format!("{}.{}", BASE64.encode(header.to_string()), BASE64.encode(claims));
        let signature = self.pair.sign(&self.random, signed.as_bytes()).ok()?;
        Some(format!("{signed}.{}", BASE64.encode(signature)))
    }

    /// The claims of a token with a good signature that is valid now.
    pub(crate) fn verify(&self, token: &str, now_seconds: i64) -> Option<Claims> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let signature = BASE64.decode(signature).ok()?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key())
            .verify(signed.as_bytes(), &signature)
            .ok()?;
        let (_header, claims) = signed.split_once('.')?;
        let claims: Claims = serde_json::from_slice(&BASE64.decode(claims).ok()?).ok()?;
        let valid = claims.iss == ISSUER && claims.nbf <= now_seconds && now_seconds < claims.exp;
        valid.then_some(claims)
    }

    /// The public half as a JSON web key set.
    pub(crate) fn jwks(&self) -> serde_json::Value {
        let point = self.pair.public_key().as_ref();
        // An uncompressed point: 0x04, then x and y.
        let (x, y) = (BASE64.encode(&point[1..33]), BASE64.encode(&point[33..65]));
        json!({"keys": [{
            "use": "sig", "kty": "EC", "kid": self.key_id, "crv": "P-256", "alg": "ES256", "x": x, "y": y,
        }]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> TokenKey {
        TokenKey::from_pkcs8(&rcgen::KeyPair::generate().unwrap().serialize_der()).unwrap()
    }

    fn claims() -> Claims {
        let account = Reference { name: "default".into(), uid: "u".into() };
        Claims {
            aud: vec![ISSUER.into()],
            exp: 200,
            iat: 100,
            iss: ISSUER.into(),
            jti: "j".into(),
            bound: Bound {
                namespace: "ns".into(),
                node: None,
                pod: None,
                secret: None,
                serviceaccount: account,
            },
            nbf: 100,
            sub: "system:serviceaccount:ns:default".into(),
        }
    }

    #[test]
    fn a_token_is_valid_only_unchanged_in_its_time_and_under_its_key() {
        let key = key();
        let token = key.sign(&claims()).unwrap();
        assert_eq!(key.verify(&token, 150).unwrap().sub, claims().sub);
        assert!(key.verify(&token, 99).is_none(), "before its time");
        assert!(key.verify(&token, 200).is_none(), "after its time");
        assert!(super::tests::key().verify(&token, 150).is_none(), "another key");
        for garbage in ["", ".", "..", "a.b.c", &token[1..], &token[..token.len() - 2], "é.é.é"]
        {
            assert!(key.verify(garbage, 150).is_none(), "{garbage}");
        }
    }

    #[test]
    fn a_token_without_signature_algorithm_is_refused() {
        let key = key();
        let claims = BASE64.encode(serde_json::to_vec(&claims()).unwrap());
        let token = format!("{}.{claims}.", BASE64.encode(r#"{"alg":"none"}"#));
        assert!(key.verify(&token, 150).is_none());
    }
}
