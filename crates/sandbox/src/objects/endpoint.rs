//! Who receives webhooks: loopback http only, so that the sandbox calls nobody else.

use axum::http::Uri;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::error::{ApiError, SandboxError};
use crate::params::Params;
use crate::work::Work;
use crate::{API_VERSION, Sandbox, ids};

pub(crate) async fn create(work: &Work<'_>, params: &Params) -> Result<Value, ApiError> {
    params.only(&["url", "enabled_events", "api_version", "description", "metadata"])?;
    let url = params.need_text("/url")?;
    if !is_loopback(url) {
        let what = SandboxError::NotLoopback { url: url.to_owned() }.to_string();
        return Err(ApiError::invalid(what).code("url_invalid").param("url"));
    }
    let events: Vec<Value> = params.list("/enabled_events").to_vec();
    if events.is_empty() || !events.iter().all(Value::is_string) {
        return Err(ApiError::missing_param("enabled_events"));
    }
    let mut endpoint = template(work, &ids::new("we_"), url, &ids::new_secret());
    endpoint["enabled_events"] = events.into();
    endpoint["description"] = params.text("/description")?.into();
    endpoint["metadata"] = params.metadata("/metadata")?;
    if let Some(version) = params.text("/api_version")? {
        endpoint["api_version"] = version.into();
    }
    work.put(&endpoint).await?;
    // The one answer that shows it.
    endpoint["secret"] = endpoint["_secret"].clone();
    Ok(endpoint)
}

pub(crate) async fn delete(work: &Work<'_>, id: &str) -> Result<Value, ApiError> {
    work.need("webhook_endpoint", id).await?;
    work.remove(id).await?;
    Ok(json!({ "id": id, "object": "webhook_endpoint", "deleted": true }))
}

/// The installation's own endpoint; its id follows from its URL.
pub(crate) async fn ensure(sandbox: &Sandbox, url: &str, secret: &str) -> Result<(), SandboxError> {
    if !is_loopback(url) {
        return Err(SandboxError::NotLoopback { url: url.to_owned() });
    }
    let id = format!("we_{}", ids::hex(&Sha256::digest(url)[..16]));
    let work = Work::write(sandbox).await?;
    let known = work.find(&id).await?;
    if known.is_none_or(|endpoint| endpoint["_secret"] != secret) {
        work.put(&template(&work, &id, url, secret)).await?;
    }
    Ok(work.commit().await?)
}

fn template(work: &Work<'_>, id: &str, url: &str, secret: &str) -> Value {
    json!({
        "id": id,
        "object": "webhook_endpoint",
        "api_version": API_VERSION,
        "application": null,
        "created": work.unix_now(),
        "description": null,
        "enabled_events": ["*"],
        "livemode": false,
        "metadata": {},
        "status": "enabled",
        "url": url,
        "_secret": secret,
    })
}

/// `http://` to this machine.
pub(crate) fn is_loopback(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let is_local =
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    uri.scheme_str() == Some("http") && is_local
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn events_stay_on_this_machine() {
        for url in ["http://127.0.0.1:8080/webhooks/stripe", "http://localhost/x", "http://[::1]:9/"] {
            assert!(is_loopback(url), "{url}");
        }
        for url in ["https://127.0.0.1/", "http://10.0.0.1/", "http://localhost.example.org/", "x", ""] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
