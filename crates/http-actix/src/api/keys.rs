//! Authentication of callers: n8n, operators, and holders of a ticket's key.

use actix_web::{HttpRequest, web::Query};
use ticket_domain::Actor;

use crate::{
    access::{AccessControl, OperatorToken, Visitor, bearer},
    api::problem::{Code, Problem},
    state::part,
};

/// Implements `FromRequest` for a handler's argument that depends only on the head of the request.
macro_rules! from_head {
    ($argument:ident, $read:expr) => {
        impl actix_web::FromRequest for $argument {
            type Error = $crate::api::problem::Problem;
            type Future = std::future::Ready<Result<Self, Self::Error>>;

            fn from_request(request: &actix_web::HttpRequest, _: &mut actix_web::dev::Payload) -> Self::Future {
                let read: fn(&actix_web::HttpRequest) -> Result<Self, Self::Error> = $read;
                std::future::ready(read(request))
            }
        }
    };
}
pub(crate) use from_head;

/// Which operator's token the caller shows. A wrong one counts against the caller's rate limit.
fn operator(access: &AccessControl, request: &HttpRequest) -> Result<Option<Actor>, Problem> {
    match bearer(request) {
        Some(token) => Ok(access.operator_token(token, request)?.map(OperatorToken::actor)),
        None => Ok(None),
    }
}

/// Whether the caller shows an operator token. A wrong one counts against the caller's rate limit.
pub(crate) fn is_operator(access: &AccessControl, request: &HttpRequest) -> Result<bool, Problem> {
    Ok(operator(access, request)?.is_some())
}

/// A parameter of the query string. An invalid query string has none.
pub(crate) fn parameter(request: &HttpRequest, wanted: &str) -> Option<String> {
    let Query(pairs) = Query::<Vec<(String, String)>>::from_query(request.query_string()).ok()?;
    pairs
        .into_iter()
        .find(|(name, _)| name == wanted)
        .map(|(_, value)| value)
}

fn ticket_key(request: &HttpRequest) -> Option<String> {
    parameter(request, "key")
}

/// Somebody who wants to see a ticket. A handler's argument before the body, which is not read if they may not.
pub(crate) struct Reader(pub(crate) Visitor);

from_head!(Reader, |request| {
    let access = part::<AccessControl>(request)?;
    Ok(Self(Visitor::with_key_or_token(access, request, ticket_key(request))?))
});

/// Somebody who wants to write to a ticket as its customer.
pub(crate) struct Writer(pub(crate) Visitor);

from_head!(Writer, |request| {
    let access = part::<AccessControl>(request)?;
    Ok(Self(Visitor::with_key(access, request, ticket_key(request))?))
});

/// The caller is n8n. A handler's first argument, so that nothing of the body is read before.
pub(crate) struct InboundCaller;

from_head!(InboundCaller, |request| {
    let is_inbound = part::<AccessControl>(request)?.is_inbound(request)?;
    is_inbound.then_some(Self).ok_or(Problem::new(Code::Unauthorized))
});

/// The caller is an operator, for the audit log.
pub(crate) struct Operator(pub(crate) Actor);

from_head!(Operator, |request| {
    let operator = operator(part::<AccessControl>(request)?, request)?;
    operator.map(Self).ok_or_else(Problem::bearer_needed)
});

#[cfg(test)]
mod tests {
    use crate::testing::{OPERATOR_TOKEN, Request, TestApp};

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
        ("GET", "/api/audit-log"),
    ];

    #[test]
    fn only_operators_come_in() {
        let api = TestApp::start();
        let closed = TestApp::with(|setup| setup.settings.operator_tokens.clear());
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
                answer.assert_problem(401, "unauthorized");
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            }
        }
    }

    #[test]
    fn a_ticket_key_is_not_an_operator_token() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        for (method, target) in OPERATORS {
            let between = if target.contains('?') { '&' } else { '?' };
            let target = format!("{target}{between}key={}", opened.key);
            let answer = api.send(Request::new(method, &target).bearer(&opened.key));
            assert_eq!(answer.status, 401, "{target}");
        }
    }

    #[test]
    fn wrong_tokens_are_limited_and_the_right_one_is_accepted() {
        let api = TestApp::start();
        for (number, (method, target)) in OPERATORS.into_iter().enumerate() {
            let address = format!("1.2.3.{number}");
            let ask = |token: &str| {
                let request = Request::new(method, target).header("x-forwarded-for", &address);
                api.send(request.bearer(token))
            };
            let guessed = (0..200).take_while(|_| ask("guess").status == 401).count();
            assert!((120..150).contains(&guessed), "{target} {guessed}");
            let refused = ask("guess");
            refused.assert_problem(429, "rate_limited");
            assert!(refused.header("retry-after").is_some());
            assert!(!matches!(ask(OPERATOR_TOKEN).status, 401 | 429), "{target}");
        }
    }

    #[test]
    fn a_valid_key_is_accepted_beside_a_wrong_token() {
        let api = TestApp::start();
        let opened = api.open_ticket();
        let ask = |target: &str| {
            let request = Request::new("GET", target).header("x-forwarded-for", "1.2.3.4");
            api.send(request.bearer("guess")).status
        };
        assert!((0..200).any(|_| ask("/api/tickets") == 429));
        let ticket = format!("/api/ticket/{}", opened.reference);
        assert!((0..200).all(|_| ask(&format!("{ticket}?key={}", opened.key)) == 200));
        // Without one, a wrong token is one guess too many.
        assert_eq!(ask(&ticket), 429);
        assert_eq!(ask(&format!("{ticket}?key=guess")), 429);
    }
}
