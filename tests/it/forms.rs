//! Every form of both sites: none works without its token, and those of operators for nobody else.

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use tests::routes::{self, Route};
use tests::shop::{Shop, account, in_each_shop, operator};
use tower::ServiceExt;

const PASSWORD: &str = "correct horse battery";

/// Before anybody has signed in.
const OPEN_CONSOLE_FORMS: [&str; 3] = ["/console/sign-in", "/console/forgot", "/console/reset"];

/// Paths that take a form.
fn forms(routes: Vec<Route>) -> BTreeSet<String> {
    let forms = routes.into_iter().filter(|route| route.takes_post).map(|route| route.path);
    let forms: BTreeSet<String> = forms.collect();
    assert!(forms.len() > 10, "{forms:?}");
    forms
}

fn operators_forms() -> BTreeSet<String> {
    let forms = forms(routes::console());
    assert!(OPEN_CONSOLE_FORMS.iter().all(|path| forms.contains(*path)), "{forms:?}");
    forms.into_iter().filter(|path| !OPEN_CONSOLE_FORMS.contains(&path.as_str())).collect()
}

struct Visitor {
    site: Router,
    cookies: BTreeMap<String, String>,
}

impl Visitor {
    fn with(site: &Router, cookies: &[(&str, &str)]) -> Visitor {
        let cookies = cookies.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Visitor { site: site.clone(), cookies: cookies.collect() }
    }

    /// Status, where it leads, and the page.
    async fn send(&mut self, method: &str, path: &str, body: String) -> (u16, String, String) {
        let jar: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = Request::builder()
            .method(method)
            .uri(path.replace("{id}", "0"))
            .header(header::COOKIE, jar.join("; "))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = self.site.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        for set in answer.headers().get_all(header::SET_COOKIE) {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let leads_to = answer.headers().get(header::LOCATION).map(|to| to.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        let page = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, leads_to.unwrap_or_default(), String::from_utf8(page.to_vec()).unwrap())
    }

    async fn assert_no_form_works(&mut self, paths: &BTreeSet<String>) {
        for path in paths {
            for body in ["", "form_token=", "form_token=0"] {
                let (status, ..) = self.send("POST", path, body.to_owned()).await;
                assert_eq!(status, 403, "{path} with {body:?}");
            }
        }
    }
}

/// Tokens of a customer's and an operator's session.
async fn tokens(shop: &Shop) -> (String, String) {
    let customer = account(&shop.app, "Ada", "ada@example.com", PASSWORD).await.token;
    (customer, operator(&shop.app, "Olga", "olga@example.com", PASSWORD).await.token)
}

#[tokio::test]
async fn no_form_of_either_site_works_without_its_token() {
    in_each_shop(async |shop| {
        let (customer, operator) = tokens(shop).await;
        let base = format!("http://{}", shop.address);
        let portal = portal::router(shop.app.clone(), &base);
        let mut ada = Visitor::with(&portal, &[("scrip_session", &customer)]);
        ada.assert_no_form_works(&forms(routes::portal())).await;
        assert_eq!(ada.send("GET", "/settings", String::new()).await.0, 200, "still signed in");
        let console = console::router(shop.app.clone(), &base);
        let mut olga = Visitor::with(&console, &[("scrip_operator", &operator)]);
        olga.assert_no_form_works(&forms(routes::console())).await;
        assert_eq!(olga.send("GET", "/console", String::new()).await.0, 200, "still signed in");
    })
    .await;
}

#[tokio::test]
async fn operators_forms_lead_everybody_else_to_the_sign_in() {
    in_each_shop(async |shop| {
        let (customer, _) = tokens(shop).await;
        let console = console::router(shop.app.clone(), &format!("http://{}", shop.address));
        let both = [("scrip_session", customer.as_str()), ("scrip_operator", customer.as_str())];
        for cookies in [&[][..], &both[..]] {
            let mut stranger = Visitor::with(&console, cookies);
            let (_, _, page) = stranger.send("GET", "/console/sign-in", String::new()).await;
            let (_, token) = page.split_once("name=\"form_token\" value=\"").expect("a form");
            let token = token.split('"').next().expect("a token").to_owned();
            for path in operators_forms() {
                let (status, leads_to, _) = stranger.send("POST", &path, format!("form_token={token}")).await;
                assert!(status == 303 && leads_to.starts_with("/console/sign-in"), "{path}: {status}");
            }
        }
    })
    .await;
}
