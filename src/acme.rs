//! Certificates: the path of a request for a host's challenge, from its bytes' values to the reply.
//!
//! The order of decisions is that of `docs/protocol.md`: who asks, for which name, with which value. The
//! store is asked only once all of them are right.

use http::{HeaderMap, Response, StatusCode, request::Parts};

use crate::{
    log::Entry,
    protocol::{
        access::Access,
        browser,
        challenge::{
            Api,
            access::Caller,
            body::ChallengeBody,
            edit::{Edit, Edited},
            reply::{self, ChallengeRefusal, ChallengeWord},
        },
        credentials::Credentials,
        parameters::{Body, Parameters},
        update::{claimed, loggable},
    },
    secrets::Provider,
    settings::Settings,
    store::{Budget, Store},
};

/// What answers requests for challenges.
pub(crate) struct Challenges<'a, S> {
    /// The settings.
    pub(crate) settings: &'a Settings,
    /// The secrets that tokens are derived from.
    pub(crate) secrets: &'a Provider,
    /// Where the records are.
    pub(crate) store: &'a S,
}

impl<S: Store> Challenges<'_, S> {
    /// Answers a request whose path and method are right.
    pub(crate) async fn answer(&self, api: Api, parts: &Parts, body: Body<'_>, entry: &mut Entry) -> Response<String> {
        let mut refuse = |status, word, reason: &'static str| {
            entry.reasons.push(reason.into());
            // A body that a stranger sent is no fault of ours, and raises no alarm.
            if word != ChallengeWord::ServerError {
                entry.codes.push(ChallengeWord::word(word));
            }
            reply::refusal(status, word)
        };
        let body = match body {
            Body::Whole(body) => body,
            Body::TooLarge => {
                return refuse(StatusCode::PAYLOAD_TOO_LARGE, ChallengeWord::ServerError, "the body is too large");
            }
            Body::Broken => {
                return refuse(
                    ChallengeWord::ServerError.status(),
                    ChallengeWord::ServerError,
                    "the body was cut short",
                );
            }
        };
        // A page cannot send the headers of acme-dns without asking first.
        if let (Api::Present | Api::Cleanup, Some(reason)) = (api, browser::other_site(&parts.headers)) {
            return refuse(StatusCode::FORBIDDEN, ChallengeWord::BadAuth, reason);
        }
        let budget = Budget::start();
        let read = ChallengeBody::read(&parts.headers, body);
        let outcome = self.outcome(api, &parts.headers, read.as_ref(), entry, &budget).await;
        entry.calls = budget.calls().get();
        match (outcome, read) {
            (Ok(edited), Ok(body)) => {
                entry.codes.push(if edited { "good" } else { "nochg" });
                body.reply(api)
            }
            (Err(refusal), _) | (Ok(_), Err(refusal)) => {
                entry.reasons.push(refusal.reason);
                entry.codes.push(refusal.word.word());
                reply::refusal(refusal.word.status(), refusal.word)
            }
        }
    }

    /// Decides on a request and carries it out. Returns whether that changed anything.
    async fn outcome(
        &self,
        api: Api,
        headers: &HeaderMap,
        body: Result<&ChallengeBody<'_>, &ChallengeRefusal>,
        entry: &mut Entry,
        budget: &Budget,
    ) -> Result<bool, ChallengeRefusal> {
        let Settings { zones, generations, .. } = self.settings;
        let Credentials { user, password } = credentials(api, headers)?;
        let host = body.map_err(Clone::clone).and_then(|body| body.host(api, user.trim()));
        entry.list_hosts(vec![loggable(host.as_ref().ok(), &password)], 1);
        let secrets = self.secrets.current().await;
        let secrets =
            secrets.map_err(|problem| ChallengeRefusal::new(ChallengeWord::ServerError, problem.to_string()))?;
        let access = Access { zones, secrets: &secrets, generations };
        let mut caller = Caller::new(access, claimed(&user).as_ref(), &password)?;
        let grant = caller.grant(host?)?;
        let digest = body.map_err(Clone::clone)?.digest(api)?;
        let edit = match api {
            Api::Present | Api::AcmeDns => Edit::Add(digest),
            Api::Cleanup => Edit::Remove(digest),
        };
        match self.store.edit_challenge(&grant, &edit, self.settings.ttl.default, budget).await {
            Ok(Edited::Changed) => Ok(true),
            Ok(Edited::Unchanged) => Ok(false),
            Ok(Edited::NotOurs(reason)) => Err(ChallengeRefusal::new(ChallengeWord::NoHost, reason)),
            Err(problem) => {
                let reason = format!("zone {}: {problem}", grant.zone().name);
                Err(ChallengeRefusal::new(ChallengeWord::DnsErr, reason))
            }
        }
    }
}

/// The credentials of a request: Basic ones, or the two headers of acme-dns. Nobody sends them in a query
/// or form.
fn credentials(api: Api, headers: &HeaderMap) -> Result<Credentials, ChallengeRefusal> {
    let credentials = match api {
        Api::Present | Api::Cleanup => Credentials::read(headers, &Parameters::default(), false),
        Api::AcmeDns => Credentials::of_acme_dns(headers),
    };
    credentials.map_err(|refusal| ChallengeRefusal::new(ChallengeWord::BadAuth, refusal.reason))
}
