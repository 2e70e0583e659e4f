//! Certificates at the border: secrets are read as facts, and made of randomness and the key of an authority.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use endstate_core::{
    Bundle, Certificate, CertificateFacts, GivenFiles, Issue, SeenCertificate, Trusted, Usage,
};
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::ApiResource;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::pem::Pem;
use x509_parser::time::ASN1Time;

use super::wanted::Content;
use super::{NO_VERSION, Objects, Owner, Ownership, Secrets, Wanted};
use crate::{Context, Error};

mod given;
mod requested;

use given::Leaf;
pub(super) use requested::ready;
pub use requested::requests;

/// The key of a certificate in its secret.
pub const CERTIFICATE: &str = "tls.crt";
/// The key of the private key of it.
pub const KEY: &str = "tls.key";
/// The key of the authorities that its holder trusts.
pub const AUTHORITIES: &str = "ca.crt";

/// How far the clocks of those who check a certificate may be behind.
const CLOCKS_DIFFER: Duration = Duration::from_secs(300);

const DAY: Duration = Duration::from_secs(86_400);

impl Objects {
    /// Makes certificates in this order, each with what was read or made before. Two who make the same authority: the
    /// second fails.
    pub(in crate::operator) async fn issue(
        &self,
        owner: &Owner,
        (issued, secrets): (&[Issue], &mut Secrets),
        ctx: &Context,
    ) -> Result<(), Error> {
        let kind = ApiResource::erase::<Secret>(&());
        for Issue { certificate, reason, .. } in issued {
            let data = made(certificate, secrets, ctx.now())?;
            tracing::info!(secret = certificate.secret, ?reason, "a certificate is made");
            let wanted = Wanted::certificate(certificate);
            let mut intent = wanted.intent(owner);
            intent.data["data"] = serde_json::to_value(&data).map_err(Error::other)?;
            match self.current(owner, &wanted, ctx).await? {
                Some(current) => match owner.conflict(&wanted, &current) {
                    Some(conflict) => return Err(Error::other(conflict)),
                    None => intent.metadata.uid = current.metadata.uid,
                },
                None => intent.metadata.resource_version = Some(NO_VERSION.to_owned()),
            }
            ctx.of(kind.clone()).apply(&intent).await?;
            secrets.put(&certificate.secret, data);
        }
        Ok(())
    }
}

impl Wanted {
    /// The secret of a certificate, whose content is the plan's to say.
    ///
    /// ```
    /// use endstate::operator::Wanted;
    /// use endstate_core::Certificate;
    /// assert_eq!(Wanted::certificate(&Certificate::authority("demo-ca")).to_string(), "Secret demo-ca");
    /// ```
    #[must_use]
    pub fn certificate(certificate: &Certificate) -> Self {
        Self::issued(&certificate.secret, Ownership::Owned)
    }

    /// The same, with what it holds, as far as that is known.
    pub(in crate::operator) fn filled(self, secrets: &Secrets) -> Self {
        let text = match self.content() {
            Content::Bundle { authorities } => secrets.bundle(authorities),
            _ => None,
        };
        match text {
            Some(text) => self.holding(serde_json::json!({"data": {AUTHORITIES: text}})),
            None => self,
        }
    }
}

impl Secrets {
    /// The certificates of authorities, one after the other; `None` if one is not there.
    pub(in crate::operator) fn bundle(&self, authorities: &[Trusted]) -> Option<String> {
        let bytes = |it: &Trusted| match it {
            Trusted::Authority(secret) => self.get(secret, CERTIFICATE),
            Trusted::Given(Bundle { secret, key }) => self.get(secret, key),
        };
        // A user's file may end within a line.
        let text = |it| Some(format!("{}\n", std::str::from_utf8(bytes(it)?).ok()?.trim_end()));
        authorities.iter().map(text).collect()
    }

    /// What the secret of a certificate holds.
    pub(in crate::operator) fn seen(
        &self,
        wanted: &Certificate,
        now: Timestamp,
    ) -> SeenCertificate {
        let secret = wanted.secret.as_str();
        match &wanted.given {
            None => SeenCertificate::new(secret, facts(self, secret)),
            Some(files) => {
                let facts = given_facts(self, (wanted, files), now);
                SeenCertificate::new(secret, facts).given().from(self.origin(secret))
            }
        }
    }
}

/// What is in a secret: nothing if the certificate cannot be read, or the key is not its own.
fn facts(secrets: &Secrets, secret: &str) -> Option<CertificateFacts> {
    let text = |key| std::str::from_utf8(secrets.get(secret, key)?).ok();
    let pem = Pem::iter_from_buffer(secrets.get(secret, CERTIFICATE)?).next()?.ok()?;
    let certificate = pem.parse_x509().ok()?;
    let key = KeyPair::from_pem(text(KEY)?).ok()?;
    if key.public_key_raw() != &*certificate.public_key().subject_public_key.data {
        return None;
    }
    read(&certificate, secrets.get(secret, AUTHORITIES).unwrap_or_default())
}

/// The same of a user's secret, with what the authorities in it vouch for, and those in the secrets of others.
fn given_facts(
    secrets: &Secrets,
    (wanted, files): (&Certificate, &GivenFiles),
    now: Timestamp,
) -> Option<CertificateFacts> {
    let file = |key: &str| secrets.get(&wanted.secret, key);
    let authorities = file(&files.authorities)?;
    let leaf = Leaf::read(file(&files.certificate)?, file(&files.key)?)?;
    let (_, parsed) = x509_parser::parse_x509_certificate(leaf.der()).ok()?;
    let mut facts = read(&parsed, authorities)?;
    // That it has ended is told apart.
    let at = now.clamp(facts.not_before, facts.not_after.max(facts.not_before));
    facts.usages = leaf.usages(authorities, at);
    let lives = leaf.vouchers(authorities, at);
    let lives = lives.iter().filter_map(|it| {
        let (_, it) = x509_parser::parse_x509_certificate(it).ok()?;
        Some(life(&it))
    });
    facts.authority = lives.max_by_key(|it| it.1);
    let believes = |it: &&Bundle| {
        let theirs = secrets.get(&it.secret, &it.key);
        theirs.is_some_and(|theirs| wanted.usages.is_subset(&leaf.usages(theirs, at)))
    };
    facts.believed_by = wanted.believers.iter().filter(believes).cloned().collect();
    Some(facts)
}

/// What a certificate says, and whom its holder trusts.
fn read(certificate: &X509Certificate<'_>, authorities: &[u8]) -> Option<CertificateFacts> {
    let life = life(certificate);
    let subject = key_of(certificate)?;
    let issuer = issuer_of(certificate).unwrap_or_else(|| subject.clone());
    let mut facts = CertificateFacts::new(subject, issuer, life);
    let common_name = certificate.subject().iter_common_name().next();
    facts.common_name = common_name.and_then(|it| it.as_str().ok()).unwrap_or_default().to_owned();
    facts.names = names(certificate);
    facts.usages = usages(certificate);
    let authorities = Pem::iter_from_buffer(authorities).filter_map(Result::ok);
    facts.trusts = authorities.filter_map(|it| key_of(&it.parse_x509().ok()?)).collect();
    Some(facts)
}

/// Since when and until when a certificate is good.
fn life(certificate: &X509Certificate<'_>) -> (Timestamp, Timestamp) {
    let validity = certificate.validity();
    (time(validity.not_before), time(validity.not_after))
}

/// One that cannot be represented is far away: `99991231235959Z` says that there is no end.
fn time(time: ASN1Time) -> Timestamp {
    let seconds = time.timestamp();
    let far = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(seconds).unwrap_or(far)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

/// The digest by which certificates name a key: that of the method that [`CertificateParams`] has by default.
fn key_of(certificate: &X509Certificate<'_>) -> Option<String> {
    let info = rcgen::SubjectPublicKeyInfo::from_der(certificate.public_key().raw).ok()?;
    Some(hex(&CertificateParams::default().key_identifier(&info)))
}

fn issuer_of(certificate: &X509Certificate<'_>) -> Option<String> {
    certificate.extensions().iter().find_map(|it| match it.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(it) => {
            it.key_identifier.as_ref().map(|it| hex(it.0))
        }
        _ => None,
    })
}

fn names(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let names = alternative.iter().flat_map(|it| &it.value.general_names);
    let name = |it: &GeneralName<'_>| match it {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = || Some(IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?));
            let v6 = || Some(IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?));
            v4().or_else(v6).map(|it| it.to_string())
        }
        _ => None,
    };
    names.filter_map(name).collect()
}

fn usages(certificate: &X509Certificate<'_>) -> BTreeSet<Usage> {
    let usage = certificate.extended_key_usage().ok().flatten();
    let server = usage.as_ref().is_some_and(|it| it.value.server_auth);
    let client = usage.as_ref().is_some_and(|it| it.value.client_auth);
    let all = [(Usage::Server, server), (Usage::Client, client)];
    all.into_iter().filter(|it| it.1).map(|it| it.0).collect()
}

/// A certificate with its key, of a new key, and what its holder trusts.
fn made(
    wanted: &Certificate,
    secrets: &Secrets,
    now: Timestamp,
) -> Result<BTreeMap<String, ByteString>, Error> {
    let key = KeyPair::generate().map_err(Error::other)?;
    let params = params(wanted, now)?;
    let lacks = |name: &str| Error::other(format!("the authority {name} cannot be read"));
    let signed = match &wanted.issuer {
        None => params.self_signed(&key),
        Some(name) => {
            let text = |key| std::str::from_utf8(secrets.get(name, key)?).ok();
            let (issuer, its_key) = text(CERTIFICATE).zip(text(KEY)).ok_or_else(|| lacks(name))?;
            let its_key = KeyPair::from_pem(its_key).map_err(Error::other)?;
            let issuer = Issuer::from_ca_cert_pem(issuer, its_key).map_err(Error::other)?;
            params.signed_by(&key, &issuer)
        }
    };
    let mut data = BTreeMap::from([
        (CERTIFICATE.to_owned(), signed.map_err(Error::other)?.pem()),
        (KEY.to_owned(), key.serialize_pem()),
    ]);
    if wanted.issuer.is_some() {
        let bundle = secrets.bundle(&wanted.trusts);
        let bundle = bundle.ok_or_else(|| lacks(&format!("{:?}", wanted.trusts)))?;
        data.insert(AUTHORITIES.to_owned(), bundle);
    }
    Ok(data.into_iter().map(|(key, text)| (key, ByteString(text.into_bytes()))).collect())
}

fn params(wanted: &Certificate, now: Timestamp) -> Result<CertificateParams, Error> {
    let names: Vec<_> = wanted.names.iter().cloned().collect();
    let mut params = CertificateParams::new(names).map_err(Error::other)?;
    let now = Duration::from_secs(u64::try_from(now.as_second()).map_err(Error::other)?);
    let days = u32::try_from(wanted.days()).map_err(Error::other)?;
    params.not_before = rcgen::date_time_ymd(1970, 1, 1) + (now - CLOCKS_DIFFER);
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + (now + DAY * days);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, wanted.common_name.as_str());
    params.use_authority_key_identifier_extension = true;
    if wanted.issuer.is_none() {
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        return Ok(params);
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let usage = |it: &Usage| match it {
        Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
    };
    params.extended_key_usages = wanted.usages.iter().map(usage).collect();
    Ok(params)
}

#[cfg(test)]
mod tests {
    use endstate_core::{Due, IssueReason};

    use super::*;

    fn wanted() -> [Certificate; 2] {
        let names = ["*.demo-peer.default.svc", "localhost", "127.0.0.1", "::1"];
        let server = Certificate::signed_by("ca", "server").of("demo").named(names);
        [Certificate::authority("ca"), server.for_use([Usage::Server, Usage::Client])]
    }

    #[test]
    fn what_is_made_is_what_was_wanted() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut secrets = Secrets::default();
        for it in wanted() {
            let data = made(&it, &secrets, now).unwrap();
            secrets.put(&it.secret, data);
        }
        let seen = wanted().map(|it| secrets.seen(&it, now));
        let due = wanted().map(|it| it.due(&seen, now));
        // Five minutes before, and 90 days after.
        let renewal = Due::At("2026-03-01T23:58:20Z".parse().unwrap());
        assert_eq!(due, [Due::Never, renewal]);
        assert_eq!(secrets.bundle(&["ca".into()]).unwrap().matches("BEGIN").count(), 1);
    }

    /// A user's secret with a certificate of an authority, and that authority.
    fn given(secrets: &mut Secrets, (secret, authority): (&str, &str), now: Timestamp) {
        let wanted = Certificate::signed_by(authority, secret).of("demo").named(["localhost"]);
        let wanted = wanted.for_use([Usage::Server, Usage::Client]);
        let data = made(&wanted, secrets, now).unwrap();
        secrets.put(secret, data);
    }

    #[test]
    fn a_users_tells_who_believes_it_and_until_when_its_authority_is_good() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut secrets = Secrets::default();
        for authority in ["ca", "other"] {
            let data = made(&Certificate::authority(authority), &secrets, now).unwrap();
            secrets.put(authority, data);
        }
        for it in [("server", "ca"), ("friend", "ca"), ("stranger", "other")] {
            given(&mut secrets, it, now);
        }
        let bundle = |it: &str| Bundle::new(it, AUTHORITIES);
        let all = ["friend", "stranger", "nobody"].map(bundle);
        let wanted = Certificate::given("server", GivenFiles::default()).believed_by(all);
        let wanted = wanted.for_use([Usage::Server, Usage::Client]);
        let facts = |secrets: &Secrets| secrets.seen(&wanted, now).facts.unwrap();
        let seen = facts(&secrets);
        assert_eq!(seen.usages, wanted.usages);
        assert_eq!(seen.believed_by, [bundle("friend")].into());
        let ends = |it: &CertificateFacts| it.authority.map(|it| it.1.to_string());
        assert_eq!(ends(&seen).as_deref(), Some("2035-12-30T00:00:00Z"));
        // Another authority beside is none of its own.
        let both = secrets.bundle(&["other".into(), "ca".into()]).unwrap();
        let only = secrets.bundle(&["other".into()]).unwrap();
        assert_eq!(facts(&secrets.clone().with("server", AUTHORITIES, both)), {
            let mut seen = seen.clone();
            seen.trusts = facts(&secrets.clone().with("server", AUTHORITIES, only.clone())).trusts;
            seen.trusts.extend(facts(&secrets).trusts);
            seen
        });
        assert_eq!(facts(&secrets.with("server", AUTHORITIES, only)).authority, None);
    }

    #[test]
    fn an_end_that_is_none_is_the_last_moment_that_there_is() {
        let last = |seconds| time(ASN1Time::from_timestamp(seconds).unwrap());
        assert_eq!(last(253_402_300_799), Timestamp::MAX, "99991231235959Z");
        assert_eq!(last(0), Timestamp::UNIX_EPOCH);
    }

    #[test]
    fn a_key_that_is_not_the_certificates_own_is_none() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let [authority, _] = wanted();
        let mut secrets = Secrets::default();
        let mut data = made(&authority, &secrets, now).unwrap();
        let other = made(&authority, &secrets, now).unwrap().remove(KEY).unwrap();
        data.insert(KEY.to_owned(), other);
        secrets.put("ca", data);
        let due = authority.due(&[secrets.seen(&authority, now)], now);
        assert_eq!(due, Due::Now(IssueReason::Missing));
    }
}
