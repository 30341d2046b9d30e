use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use kernel::{ApiKeyId, CustomerId, IdempotencyKey, WalletId};
use sha2::{Digest, Sha256};

use crate::{App, AppError, Keyed, wallets};

/// Begins the idempotency keys of calls by customers' keys; the rest is the digest of what they sent, so
/// that every length fits.
pub(crate) const OWN_KEYS: &str = "customer-key/";

/// Who calls: an API key that was looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Owner of the cold idempotency keys: the API key's id, or a name of ours.
    pub owner: String,
    pub scopes: BTreeSet<Scope>,
    /// Set for `ck_` keys: they see this customer only.
    pub customer: Option<CustomerId>,
}

/// What a merchant's key may do. None includes another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Every GET.
    Read,
    /// Quotes, holds, usage, events, reversals, deliveries.
    Usage,
    /// Rate cards.
    Catalogue,
    /// Customers, grants, API keys.
    Admin,
}

impl Principal {
    /// The installation itself: demo data, the command line. Every scope.
    pub fn system() -> Principal {
        Principal { owner: "system".to_owned(), scopes: Scope::ALL.into_iter().collect(), customer: None }
    }

    pub(crate) fn of_key(id: ApiKeyId, scopes: BTreeSet<Scope>, customer: Option<CustomerId>) -> Principal {
        Principal { owner: id.to_string(), scopes, customer }
    }

    /// For what only the merchant does.
    pub fn require(&self, scope: Scope) -> Result<(), AppError> {
        if self.customer.is_some() {
            return Err(AppError::Forbidden { needs: "a merchant's key (sk_…)" });
        }
        self.require_scope(scope)
    }

    /// For what a customer's own key may do as well: reads, quotes and jobs of their own.
    pub(crate) fn require_own(&self, scope: Scope) -> Result<(), AppError> {
        if self.customer.is_some() { Ok(()) } else { self.require_scope(scope) }
    }

    fn require_scope(&self, scope: Scope) -> Result<(), AppError> {
        if self.scopes.contains(&scope) { Ok(()) } else { Err(AppError::Forbidden { needs: scope.needed() }) }
    }

    /// A customer's keys name their calls apart from the merchant's, in the same wallet: else one that was
    /// used before would keep the merchant from charging under it.
    pub(crate) fn named(&self, keyed: &Keyed) -> Result<Keyed, AppError> {
        if self.customer.is_none() {
            return Ok(keyed.clone());
        }
        let digest = Sha256::digest(keyed.key.as_str());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let key = IdempotencyKey::new(format!("{OWN_KEYS}{hex}"));
        let key = key.map_err(|error| AppError::invalid("Idempotency-Key", error.to_string()))?;
        Ok(Keyed { key, hash: keyed.hash })
    }

    /// What only the merchant can vouch for: ids of vendors, which are unique for ever, and when work was
    /// done, which chooses its prices.
    pub(crate) fn may_vouch(&self, field: &'static str, is_given: bool) -> Result<(), AppError> {
        if self.customer.is_some() && is_given {
            return Err(AppError::invalid(field, "is for a merchant's key (sk_…) only"));
        }
        Ok(())
    }

    /// A foreign object is one that is not there.
    pub(crate) fn may_see(&self, customer: CustomerId, what: &'static str) -> Result<(), AppError> {
        match self.customer {
            Some(own) if own != customer => Err(AppError::not_found(what)),
            _ => Ok(()),
        }
    }

    pub(crate) async fn may_see_wallet(
        &self,
        app: &App,
        wallet: WalletId,
        what: &'static str,
    ) -> Result<(), AppError> {
        match self.customer {
            Some(own) if wallets::of_customer(app, own).await? != Some(wallet) => {
                Err(AppError::not_found(what))
            }
            _ => Ok(()),
        }
    }
}

impl Scope {
    pub const ALL: [Scope; 4] = [Scope::Read, Scope::Usage, Scope::Catalogue, Scope::Admin];

    pub const fn name(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Usage => "usage",
            Scope::Catalogue => "catalogue",
            Scope::Admin => "admin",
        }
    }

    const fn needed(self) -> &'static str {
        match self {
            Scope::Read => "the scope \"read\"",
            Scope::Usage => "the scope \"usage\"",
            Scope::Catalogue => "the scope \"catalogue\"",
            Scope::Admin => "the scope \"admin\"",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Scope, String> {
        Scope::ALL
            .into_iter()
            .find(|s| s.name() == text)
            .ok_or_else(|| "is not a scope; known are read, usage, catalogue, admin".to_owned())
    }
}
