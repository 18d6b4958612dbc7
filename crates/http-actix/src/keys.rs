//! Who may call: n8n, operators, and whoever has a ticket's key.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web::Query};
use door_actix::{Kind, bearer};

use crate::{
    api::Api,
    problem::{Code, Problem},
};

/// Whether the caller shows an operator's token. A wrong one counts against the caller's limit.
pub(crate) fn is_operator(api: &Api, request: &HttpRequest) -> Result<bool, Problem> {
    match bearer(request) {
        Some(token) => Ok(api.door.is_operator(token, request)?),
        None => Ok(false),
    }
}

/// A parameter of the query string. A query string that can't be read has none.
pub(crate) fn parameter(request: &HttpRequest, wanted: &str) -> Option<String> {
    let Query(pairs) = Query::<Vec<(String, String)>>::from_query(request.query_string()).ok()?;
    pairs
        .into_iter()
        .find(|(name, _)| name == wanted)
        .map(|(_, value)| value)
}

/// The key of a ticket that the caller shows, right or wrong.
pub(crate) fn ticket_key(request: &HttpRequest) -> Option<String> {
    parameter(request, "key")
}

/// Counts a ticket's key that was wrong. It is a read as well: it buys nothing beyond what the caller has without it.
pub(crate) fn limit_wrong_key(api: &Api, request: &HttpRequest) -> Result<(), Problem> {
    api.limit(Kind::WrongKey, request)?;
    api.limit(Kind::Read, request)
}

/// Proof that the caller is n8n. It stands first among a handler's arguments, so that nothing of the body is looked at
/// before.
pub(crate) struct InboundCaller;

impl FromRequest for InboundCaller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let check = || {
            let is_inbound = Api::of(request)?.door.is_inbound(request)?;
            is_inbound.then_some(Self).ok_or(Problem::new(Code::Unauthorized))
        };
        ready(check())
    }
}

/// Proof that the caller is an operator.
pub(crate) struct Operator;

impl FromRequest for Operator {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let check = || {
            let is_operator = is_operator(Api::of(request)?, request)?;
            is_operator.then_some(Self).ok_or_else(Problem::bearer_needed)
        };
        ready(check())
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::{OPERATOR_TOKEN, Request, Service};

    /// Everything that is for operators only.
    const OPERATORS: [(&str, &str); 9] = [
        ("GET", "/api/tickets?status=nonsense"),
        ("PATCH", "/api/ticket/T-20250115-1234"),
        ("POST", "/api/ticket/T-20250115-1234/replies"),
        ("GET", "/api/notifications"),
        ("POST", "/api/notifications/x/redeliver"),
        ("POST", "/api/notifications/redeliver"),
        ("GET", "/api/unmatched"),
        ("POST", "/api/unmatched/x/attach"),
        ("GET", "/api/trail"),
    ];

    #[test]
    fn only_operators_come_in() {
        let api = Service::start();
        let closed = Service::with(|setup| setup.door.operator_tokens.clear());
        for (api, authorization) in [
            (&api, None),
            (&api, Some("Bearer wrong")),
            (&api, Some("Bearer ")),
            (&api, Some(OPERATOR_TOKEN)),
            (&closed, Some("Bearer operator-token-of-the-tests")),
            (&closed, Some("Bearer ")),
            (&closed, None),
        ] {
            for (method, target) in OPERATORS {
                let mut request = Request::new(method, target);
                if let Some(authorization) = authorization {
                    request = request.header("authorization", authorization);
                }
                // The token is asked for before anything else is looked at.
                let answer = api.send(&request);
                assert_eq!(
                    (answer.status, answer.code().as_str()),
                    (401, "unauthorized"),
                    "{request:?}"
                );
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            }
        }
    }

    #[test]
    fn a_tickets_key_is_no_operators_token() {
        let api = Service::start();
        let opened = api.open_ticket();
        for (method, target) in OPERATORS {
            let between = if target.contains('?') { '&' } else { '?' };
            let target = format!("{target}{between}key={}", opened.key);
            let answer = api.send(&Request::new(method, &target).bearer(&opened.key));
            assert_eq!(answer.status, 401, "{target}");
        }
    }
}
