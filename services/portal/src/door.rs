//! How customers come in and go out.

use axum::extract::{Query, State};
use site::{Door, Forgot, Form, NewPassword, Next, Nothing, ResetLink, SignInFields, Site, Visitor};

use crate::frame::open_shell;
use crate::{Answer, SIGN_IN};

pub const DOOR: Door = Door {
    home: "/",
    sign_in_title: "Sign in",
    sign_in_path: SIGN_IN,
    sign_up_path: Some("/sign-up"),
    forgot_path: "/forgot",
    reset_path: "/reset",
    shell: open_shell,
};

pub async fn sign_in_form(visitor: Visitor, Query(query): Query<Next>) -> Answer {
    DOOR.sign_in_form(&visitor, &query)
}

pub async fn sign_in(State(site): State<Site>, form: Form<SignInFields>) -> Answer {
    DOOR.sign_in(&site, form).await
}

pub async fn sign_out(State(site): State<Site>, form: Form<Nothing>) -> Answer {
    DOOR.sign_out(&site, &form.visitor, "/").await
}

pub async fn forgot_form(visitor: Visitor) -> Answer {
    DOOR.forgot_form(&visitor)
}

pub async fn forgot(State(site): State<Site>, form: Form<Forgot>) -> Answer {
    DOOR.forgot(&site, form).await
}

pub async fn reset_form(State(site): State<Site>, visitor: Visitor, Query(link): Query<ResetLink>) -> Answer {
    DOOR.reset_form(&site, &visitor, link).await
}

pub async fn reset(State(site): State<Site>, form: Form<NewPassword>) -> Answer {
    DOOR.reset(&site, form).await
}
