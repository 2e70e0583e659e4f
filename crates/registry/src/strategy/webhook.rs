//! Webhook configurations.

use machinery::error::FieldError;
use machinery::names;
use serde_json::Value;

use super::{Errors, one_of};
use crate::kind::Strategy;
use crate::value::{at_mut, child, default, default_text, int, items_mut, list, map, text};

pub(crate) const MUTATING: Strategy = Strategy {
    unconditional_update: false,
    generation: true,
    defaults: |object| {
        defaults(object);
        for webhook in items_mut(object, "webhooks") {
            default_text(webhook, "reinvocationPolicy", "Never");
        }
    },
    validate,
    ..Strategy::PLAIN
};

pub(crate) const VALIDATING: Strategy = Strategy { defaults, ..MUTATING };

const TIMEOUT_SECONDS: i64 = 10;
const HTTPS_PORT: i64 = 443;

fn defaults(object: &mut Value) {
    for webhook in items_mut(object, "webhooks") {
        default_text(webhook, "failurePolicy", "Fail");
        default_text(webhook, "matchPolicy", "Equivalent");
        default(webhook, "timeoutSeconds", TIMEOUT_SECONDS);
        child(webhook, "namespaceSelector");
        child(webhook, "objectSelector");
        for rule in items_mut(webhook, "rules") {
            default_text(rule, "scope", "*");
        }
        if let Some(service) = at_mut(webhook, "clientConfig.service") {
            default(service, "port", HTTPS_PORT);
        }
    }
}

fn validate(object: &Value, errors: &mut Errors) {
    for (index, webhook) in list(object, "webhooks").iter().enumerate() {
        let base = format!("webhooks[{index}]");
        let name = text(webhook, "name").unwrap_or_default();
        let mut why = names::dns_subdomain(name);
        if why.is_empty() && name.split('.').count() < 3 {
            why.push(
                "should be a domain with at least three segments separated by dots".to_owned(),
            );
        }
        for why in why {
            errors.push(FieldError::invalid(format!("{base}.name"), name, why));
        }
        let reviews = list(webhook, "admissionReviewVersions");
        if reviews.is_empty() {
            let why = "must specify one of v1, v1beta1";
            errors.push(FieldError::required(format!("{base}.admissionReviewVersions"), why));
        } else if !reviews.iter().any(|version| version == "v1" || version == "v1beta1") {
            let field = format!("{base}.admissionReviewVersions");
            let why = "must include at least one of v1, v1beta1";
            errors.push(FieldError::invalid(field, Value::from(reviews), why));
        }
        match text(webhook, "sideEffects") {
            None | Some("") => {
                let why = "must specify one of None, NoneOnDryRun";
                errors.push(FieldError::required(format!("{base}.sideEffects"), why));
            }
            Some(_) => one_of(webhook, &base, "sideEffects", &["None", "NoneOnDryRun"], errors),
        }
        one_of(webhook, &base, "failurePolicy", &["Fail", "Ignore"], errors);
        one_of(webhook, &base, "matchPolicy", &["Equivalent", "Exact"], errors);
        if let Some(seconds) =
            int(webhook, "timeoutSeconds").filter(|seconds| !(1..=30).contains(seconds))
        {
            let why = "the timeout value must be between 1 and 30 seconds";
            errors.push(FieldError::invalid(format!("{base}.timeoutSeconds"), seconds, why));
        }
        client(webhook, &format!("{base}.clientConfig"), errors);
    }
}

fn client(webhook: &Value, base: &str, errors: &mut Errors) {
    let url = text(webhook, "clientConfig.url").is_some();
    let service = map(webhook, "clientConfig.service").is_some();
    if url == service {
        let why = "exactly one of url or service is required";
        errors.push(FieldError::required(base, why));
    }
    if let Some(url) = text(webhook, "clientConfig.url").filter(|url| !url.starts_with("https://"))
    {
        let why = "'https' is the only allowed URL scheme; desired format: https://host[/path]";
        errors.push(FieldError::invalid(format!("{base}.url"), url, why));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::texts;
    use super::*;

    #[test]
    fn a_webhook_is_complete_after_defaults() {
        let mut object = json!({"webhooks": [{"name": "a.b.c", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "rules": [{}],
            "clientConfig": {"service": {"name": "s", "namespace": "n"}}}]});
        (MUTATING.defaults)(&mut object);
        let webhook = &object["webhooks"][0];
        assert_eq!(webhook["failurePolicy"], "Fail");
        assert_eq!(webhook["reinvocationPolicy"], "Never");
        assert_eq!(webhook["rules"][0]["scope"], "*");
        assert_eq!(webhook["clientConfig"]["service"]["port"], 443);
        let mut errors = Errors::new();
        validate(&object, &mut errors);
        assert_eq!(errors, []);
    }

    #[test]
    fn a_webhook_says_what_it_needs() {
        let mut errors = Errors::new();
        validate(
            &json!({"webhooks": [{"name": "a", "clientConfig": {"url": "http://x"}}]}),
            &mut errors,
        );
        let texts = texts(&errors);
        assert_eq!(texts.len(), 4, "{texts:?}");
        assert!(texts[0].contains("at least three segments"));
        assert!(texts[3].contains("'https' is the only allowed URL scheme"));
    }
}
