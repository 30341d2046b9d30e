//! `/developers`: the customer's own keys and a quick start.

use app::accounts;
use app::keys::ApiKey;
use app::{AppError, FieldError, Keyed};
use askama::Template;
use axum::extract::{Path, State};
use kernel::{IdempotencyKey, new_uuid};
use serde::Deserialize;
use site::{Failure, Flash, Form, Member, Nothing, Shell, Site, Tone, render};

use crate::Answer;
use crate::frame::{me, shell};
use crate::words::When;

const SENT_BEFORE: &str = "was another one when this form was sent before. Nothing new was made.";

#[derive(Template)]
#[template(path = "portal/developers.html")]
pub struct DevelopersPage {
    pub shell: Shell,
    /// Shown once.
    pub secret: Option<String>,
    pub quick_start: String,
    pub keys: Vec<KeyRow>,
    /// Makes a form that is sent twice one key.
    pub once: String,
    pub errors: Vec<FieldError>,
}

pub struct KeyRow {
    pub id: String,
    pub name: String,
    pub created_at: When,
}

#[derive(Deserialize)]
pub struct NewKey {
    name: String,
    once: String,
}

pub async fn page(State(site): State<Site>, member: Member) -> Answer {
    let page = load(&site, &member).await?;
    Ok(member.visitor.page(render(&page)?))
}

/// Not a redirect: the secret is on this page and nowhere else. Sent again, the form shows no secret.
pub async fn create(State(site): State<Site>, member: Member, form: Form<NewKey>) -> Answer {
    let name = form.fields.name.trim();
    let keyed = Keyed::form(once(&form.fields.once)?, name);
    match accounts::create_key(site.app(), &member.session, name, &keyed).await {
        Ok(made) => {
            let mut page = load(&site, &member).await?;
            page.shell.flash = Some(match made.value.secret {
                Some(_) => Flash::new(Tone::Good, "The key is made."),
                None => Flash::new(Tone::Note, "This key was made before; its secret is not shown again."),
            });
            page.quick_start = quick_start(&site, &member, made.value.secret.as_deref())?;
            page.secret = made.value.secret;
            Ok(member.visitor.page(render(&page)?))
        }
        Err(AppError::Invalid { errors }) => refused(&site, &member, errors).await,
        Err(AppError::Conflict { detail, .. }) => {
            refused(&site, &member, vec![FieldError::new("name", detail)]).await
        }
        Err(AppError::KeyReused) => {
            refused(&site, &member, vec![FieldError::new("name", SENT_BEFORE.to_owned())]).await
        }
        Err(error) => Err(error.into()),
    }
}

pub async fn revoke(
    State(site): State<Site>,
    member: Member,
    Path(id): Path<String>,
    _form: Form<Nothing>,
) -> Answer {
    let id = id.parse().map_err(|_| Failure::NotFound)?;
    accounts::revoke_key(site.app(), &member.session, id).await?;
    Ok(member.visitor.redirect("/developers", Some("key-revoked")))
}

async fn refused(site: &Site, member: &Member, errors: Vec<FieldError>) -> Answer {
    let page = DevelopersPage { errors, ..load(site, member).await? };
    Ok(member.visitor.refused_page(render(&page)?))
}

async fn load(site: &Site, member: &Member) -> Result<DevelopersPage, Failure> {
    let me = me(member)?;
    let keys = accounts::keys(site.app(), &member.session).await?;
    let shell = shell(member, &me, "Developers", "/developers").await?;
    Ok(view(shell, quick_start(site, member, None)?, keys))
}

pub fn view(shell: Shell, quick_start: String, keys: Vec<ApiKey>) -> DevelopersPage {
    let row =
        |key: ApiKey| KeyRow { id: key.id.to_string(), created_at: When::at(key.created_at), name: key.name };
    DevelopersPage {
        shell,
        secret: None,
        quick_start,
        keys: keys.into_iter().map(row).collect(),
        once: new_uuid().to_string(),
        errors: Vec::new(),
    }
}

fn quick_start(site: &Site, member: &Member, secret: Option<&str>) -> Result<String, Failure> {
    let customer = member.customer()?;
    Ok(format!(
        "export SCRIP_KEY={}\n\
         curl {base}/v1/customers/{customer}/wallet -H \"Authorization: Bearer $SCRIP_KEY\"\n\
         \n\
         curl {base}/v1/quotes -H \"Authorization: Bearer $SCRIP_KEY\" \\\n  \
         -H \"Idempotency-Key: $(date +%s%N)\" -H \"Content-Type: application/json\" \\\n  \
         -d '{{\"customer\": \"{customer}\", \"feature\": \"image.generate\", \"model\": \"sdxl\", \"quantities\": {{\"images\": 1}}}}'",
        secret.unwrap_or("ck_…"),
        base = site.base_url(),
    ))
}

pub fn once(text: &str) -> Result<IdempotencyKey, Failure> {
    IdempotencyKey::new(text).map_err(|_| Failure::UnreadableForm)
}
