use std::time::Duration;

use stripe::{Client, ClientBuilder};

use crate::stripe::Retries;
use crate::{GatewayError, Secret};

#[derive(Clone, Debug)]
pub struct StripeSettings {
    /// `sk_test_…`, `sk_live_…` or a restricted `rk_…`.
    pub secret_key: Secret,
    /// Any of them may have signed an event: while a secret is rotated there are two.
    pub webhook_secrets: Vec<Secret>,
    /// `None`: Stripe itself. Otherwise a URL that ends in `/`, such as the sandbox's.
    pub api_base: Option<String>,
    /// For one attempt, from connecting to the last byte.
    pub attempt_timeout: Duration,
    pub retries: Retries,
}

impl StripeSettings {
    /// Stripe itself, with the usual patience.
    pub fn new(secret_key: Secret, webhook_secrets: Vec<Secret>) -> StripeSettings {
        StripeSettings {
            secret_key,
            webhook_secrets,
            api_base: None,
            attempt_timeout: Duration::from_secs(20),
            retries: Retries::default(),
        }
    }

    #[must_use]
    pub fn at(mut self, api_base: impl Into<String>) -> StripeSettings {
        self.api_base = Some(api_base.into());
        self
    }

    pub(super) fn client(&self) -> Result<Client, GatewayError> {
        let mut builder = ClientBuilder::new(self.secret_key.expose()).timeout(self.attempt_timeout);
        if let Some(base) = &self.api_base {
            check_base(base, self.is_live())?;
            builder = builder.url(base.clone());
        }
        builder.build().map_err(|e| settings(e.to_string()))
    }

    fn is_live(&self) -> bool {
        let key = self.secret_key.expose();
        key.starts_with("sk_live_") || key.starts_with("rk_live_")
    }
}

fn check_base(base: &str, is_live: bool) -> Result<(), GatewayError> {
    if !base.ends_with('/') {
        return Err(settings(format!("the API base {base:?} must end in \"/\"")));
    }
    if is_live && !base.starts_with("https://") {
        return Err(settings(format!("a live key is never sent to {base:?}, which is not https")));
    }
    Ok(())
}

fn settings(reason: String) -> GatewayError {
    GatewayError::Settings { reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(key: &str, base: &str) -> StripeSettings {
        StripeSettings::new(Secret::new(key), vec![Secret::new("whsec_hidden")]).at(base)
    }

    #[test]
    fn secrets_are_not_printed() {
        let settings = with("sk_test_hidden", "http://127.0.0.1:1/");
        let printed = format!("{settings:?}");
        assert!(!printed.contains("hidden"), "{printed}");
        assert!(!format!("{:?}", settings.client()).contains("hidden"));
    }

    #[test]
    fn a_live_key_does_not_go_over_plain_http() {
        assert!(with("sk_live_1", "http://127.0.0.1:1/").client().is_err());
        assert!(with("rk_live_1", "http://127.0.0.1:1/").client().is_err());
        assert!(with("sk_test_1", "http://127.0.0.1:1/sandbox/").client().is_ok());
        assert!(with("sk_test_1", "http://127.0.0.1:1/sandbox").client().is_err(), "must end in a slash");
        assert!(with("sk_test_1\n", "http://127.0.0.1:1/").client().is_err());
    }
}
