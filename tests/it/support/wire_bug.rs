//! Bugs of a publisher or a gateway, planted into what they send: each is a rule of fleet mode that is
//! forgotten. The model's checks must find all of them.
//!
//! One rule has no bug here: that a pass compares Route 53 with what is wanted, not only with what is known.
//! A pass looks at hosts that are not pending, and the two are the same of those: a mark writes both, and what
//! is adopted is written only while the published version is below the wanted one. So the rule could be
//! forgotten and nothing would change, until a bug elsewhere breaks what it rests on, which the model looks at
//! all the time.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_smithy_runtime_api::client::{
    http::{HttpConnector, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};

/// A rule that is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Bug {
    /// Records are overwritten instead of being changed from what is known.
    Upsert,
    /// A mark is made whatever the version is by now.
    MarkWithoutVersion,
    /// A mark of an older version ends the pending of a newer one.
    OlderMarkEndsPending,
    /// What a look found is adopted whatever the table has by now.
    AdoptWithoutCondition,
    /// A host that seems to need nothing is marked unseen.
    MarkUnseen,
    /// A host that is taken over begins again at version 0.
    VersionFalls,
    /// The pass corrects whatever has changed since it read.
    PassWithoutCondition,
    /// A host is left alone and stays due.
    LeftAloneStaysDue,
    /// What Route 53 refuses is tried for ever.
    RefusedForEver,
    /// The families of a request go in two batches.
    FamiliesSplit,
    /// The hosts of a request are written one by one.
    HostsSplit,
    /// A promise is given and not written.
    PromiseDropped,
    /// A promise is written whatever the version is by now.
    PromiseWithoutCondition,
    /// A change that is wanted is not due.
    PromiseNotDue,
    /// A host that is wanted again still expires.
    StillExpires,
    /// When a host was last heard is written whatever is there.
    HeardWithoutCondition,
    /// A host is held to be promised that no router has written.
    PromisedAtFirstSight,
    /// What the table has is restored where Route 53 is right.
    RestoredWhereRoute53IsRight,
    /// Route 53 is called as fast as it answers. The model has this one.
    PaceIgnored,
    /// The gateway is switched before the publishers, so that those of the old state are still at work. The
    /// model has this one.
    GatewaySwitchedFirst,
}

impl Bug {
    /// All of them, each with a seed at which it is found.
    pub(crate) const FOUND_AT: [(Self, u64); 20] = [
        (Self::Upsert, 5),
        (Self::MarkWithoutVersion, 0),
        (Self::OlderMarkEndsPending, 7),
        (Self::AdoptWithoutCondition, 0),
        (Self::MarkUnseen, 18),
        (Self::VersionFalls, 0),
        (Self::PassWithoutCondition, 4),
        (Self::LeftAloneStaysDue, 2),
        (Self::RefusedForEver, 2),
        (Self::FamiliesSplit, 1),
        (Self::HostsSplit, 1),
        (Self::PromiseDropped, 1),
        (Self::PromiseWithoutCondition, 0),
        (Self::PromiseNotDue, 0),
        (Self::StillExpires, 0),
        (Self::HeardWithoutCondition, 1),
        (Self::PromisedAtFirstSight, 8),
        (Self::RestoredWhereRoute53IsRight, 4),
        (Self::PaceIgnored, 0),
        (Self::GatewaySwitchedFirst, 6),
    ];

    /// Makes a call as whoever has the bug would, and counts those that it alters.
    pub(crate) async fn call(
        self,
        request: HttpRequest,
        below: &SharedHttpConnector,
        altered: &AtomicU64,
    ) -> Result<HttpResponse, ConnectorError> {
        match request.headers().get("x-amz-target").map(str::to_owned).as_deref() {
            None => self.call_route53(request, below, altered).await,
            Some("DynamoDB_20120810.UpdateItem") => self.update(request, below, altered).await,
            Some("DynamoDB_20120810.TransactWriteItems") => self.transact(request, below, altered).await,
            Some(_) => below.call(request).await,
        }
    }

    /// A call to Route 53.
    async fn call_route53(
        self,
        mut request: HttpRequest,
        below: &SharedHttpConnector,
        altered: &AtomicU64,
    ) -> Result<HttpResponse, ConnectorError> {
        let body = text(&request);
        match self {
            Self::Upsert if body.contains("<Action>CREATE") => {
                let parts = body.split_inclusive("</Change>");
                let kept: Vec<_> = parts.filter(|part| !part.contains("<Action>DELETE")).collect();
                let has_head = kept.first().is_some_and(|part| part.contains("<Changes>"));
                let head = if has_head { String::new() } else { head_of(&body) };
                count(altered);
                replace(&mut request, head + &kept.concat().replace("CREATE", "UPSERT"));
            }
            Self::FamiliesSplit if body.contains("<Type>AAAA") && body.contains("<Type>A</Type>") => {
                let head = head_of(&body);
                let changes: Vec<_> = body[head.len()..].split_inclusive("</Change>").collect();
                let (first, second): (Vec<&str>, Vec<&str>) = changes
                    .iter()
                    .filter(|part| part.contains("<Change>"))
                    .partition(|part| part.contains("<Type>A</Type>"));
                let tail = changes.last().filter(|part| !part.contains("<Change>")).copied().unwrap_or_default();
                let mut other = request.try_clone().expect("a request in memory");
                count(altered);
                replace(&mut request, format!("{head}{}{tail}", first.concat()));
                replace(&mut other, format!("{head}{}{tail}", second.concat()));
                let answer = below.call(request).await?;
                if !answer.status().is_success() {
                    return Ok(answer);
                }
                return below.call(other).await;
            }
            _ => {}
        }
        below.call(request).await
    }

    /// A change of one item.
    async fn update(
        self,
        mut request: HttpRequest,
        below: &SharedHttpConnector,
        altered: &AtomicU64,
    ) -> Result<HttpResponse, ConnectorError> {
        let mut asked: Value = serde_json::from_str(&text(&request)).expect("JSON");
        let before = asked.clone();
        let (kind, expression) = (Written::of(&asked), expression(&asked));
        let is = |wanted| kind == Some(wanted);
        match self {
            Self::MarkWithoutVersion if is(Written::Mark) => drop_conditions(&mut asked, |one| one != "v = :if_v"),
            Self::OlderMarkEndsPending if is(Written::OlderMark) => {
                asked["UpdateExpression"] = json!(remove_too(&expression.replace(", d = :d, t = :t", ""), "d, t"));
                forget(&mut asked, &[":d", ":t"]);
            }
            Self::AdoptWithoutCondition if is(Written::Adoption) => drop_conditions(&mut asked, |_| false),
            Self::VersionFalls if is(Written::TakenOver) => {
                asked["UpdateExpression"] = json!(
                    expression
                        .replacen("SET ", "SET v = :zero, ", 1)
                        .replace(":pv", ":zero")
                        .replace("i = :i", "i = :zero")
                );
                asked["ExpressionAttributeValues"][":zero"] = json!({ "N": "0" });
                forget(&mut asked, &[":pv", ":i"]);
            }
            Self::PassWithoutCondition if matches!(kind, Some(Written::Drift | Written::TakenOver)) => {
                drop_conditions(&mut asked, |one| one.contains("(v)"));
            }
            Self::LeftAloneStaysDue if is(Written::LeftAlone) => {
                let (set, _) = expression.split_once(" REMOVE ").unwrap_or((&expression, ""));
                asked["UpdateExpression"] = json!(set);
            }
            Self::RefusedForEver if is(Written::LeftAlone) && asked.to_string().contains("refused: ") => {
                count(altered);
                return Ok(well());
            }
            Self::PromiseDropped if is(Written::Promise) => {
                count(altered);
                return Ok(well());
            }
            Self::PromiseWithoutCondition if is(Written::Promise) => {
                drop_conditions(&mut asked, |_| false);
            }
            Self::PromiseNotDue if is(Written::Promise) => without_due(&mut asked),
            Self::StillExpires if is(Written::Promise) => {
                let kept = expression.replace(", x", "").replace(" REMOVE x", "");
                asked["UpdateExpression"] = json!(kept);
            }
            Self::HeardWithoutCondition if is(Written::Heard) => drop_conditions(&mut asked, |_| false),
            Self::PromisedAtFirstSight if asked["ConditionExpression"] == "attribute_not_exists(v)" => {
                for version in [":v", ":pv"] {
                    asked["ExpressionAttributeValues"][version] = json!({ "N": "1" });
                }
            }
            // In `prepare` and `drain`: elsewhere the version of before is a condition.
            Self::RestoredWhereRoute53IsRight
                if is(Written::TakenOver) && asked["ExpressionAttributeValues"][":if_i"].is_null() =>
            {
                restore(&mut asked);
            }
            _ => {}
        }
        if asked != before {
            count(altered);
            replace(&mut request, asked.to_string());
        }
        below.call(request).await
    }

    /// Changes of several items.
    async fn transact(
        self,
        mut request: HttpRequest,
        below: &SharedHttpConnector,
        altered: &AtomicU64,
    ) -> Result<HttpResponse, ConnectorError> {
        let asked: Value = serde_json::from_str(&text(&request)).expect("JSON");
        match self {
            Self::PromiseDropped => {
                count(altered);
                Ok(well())
            }
            Self::HostsSplit => {
                count(altered);
                // One after the other; what comes of the later ones is not looked at.
                let mut one = asked.clone();
                one["TransactItems"] = json!([asked["TransactItems"][0]]);
                one["ClientRequestToken"] =
                    json!(format!("{}x", one["ClientRequestToken"].as_str().unwrap_or_default()));
                replace(&mut request, one.to_string());
                below.call(request).await
            }
            _ => below.call(request).await,
        }
    }
}

/// What a change of an item is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    /// The publisher has published it.
    Mark,
    /// It has published an older version.
    OlderMark,
    /// It found something else in Route 53.
    Adoption,
    /// The host is left alone.
    LeftAlone,
    /// The pass restores a promise.
    Drift,
    /// What Route 53 has is taken over.
    TakenOver,
    /// The gateway promises something.
    Promise,
    /// The gateway has heard of the host.
    Heard,
}

impl Written {
    /// Of these expressions.
    fn of(asked: &Value) -> Option<Self> {
        let expression = expression(asked);
        let sets = |what: &str| expression.contains(what);
        let is = [
            (Self::LeftAlone, sets("e = :e")),
            (Self::TakenOver, sets("i = :i") && !asked.to_string().contains("attribute_not_exists(v)")),
            (Self::OlderMark, sets("a = :a") && sets("d = :d")),
            (Self::Mark, sets("a = :a")),
            (Self::Promise, sets("v = :v") && sets("if_not_exists(d")),
            (Self::Drift, sets("v = :v") && sets("d = :d")),
            (Self::Adoption, sets("p4") && !sets("pv = ")),
            (Self::Heard, expression == "SET s = :s"),
        ];
        is.into_iter().find(|(_, is)| *is).map(|(kind, _)| kind)
    }
}

/// What a change does.
fn expression(asked: &Value) -> String {
    asked["UpdateExpression"].as_str().unwrap_or_default().to_owned()
}

/// Counts a call that was altered.
fn count(altered: &AtomicU64) {
    altered.fetch_add(1, Ordering::Relaxed);
}

/// Leaves only the conditions that are to be kept, and the values that are used.
fn drop_conditions(asked: &mut Value, is_kept: impl Fn(&str) -> bool) {
    let condition = asked["ConditionExpression"].as_str().unwrap_or_default().to_owned();
    let kept: Vec<_> = condition.split(" AND ").filter(|one| is_kept(one)).collect();
    let kept = kept.join(" AND ");
    if kept.is_empty() {
        asked.as_object_mut().expect("an object").remove("ConditionExpression");
    } else {
        asked["ConditionExpression"] = json!(kept);
    }
    forget_unused(asked);
}

/// A change that makes nothing due.
fn without_due(asked: &mut Value) {
    let expression = expression(asked);
    let (set, removed) = expression.split_once(" REMOVE ").unwrap_or((&expression, ""));
    let set: Vec<_> = split_sets(set).into_iter().filter(|part| !part.contains("if_not_exists")).collect();
    let removed = if removed.is_empty() { String::new() } else { format!(" REMOVE {removed}") };
    asked["UpdateExpression"] = json!(format!("SET {}{removed}", set.join(", ")));
    forget_unused(asked);
}

/// What is taken over is put down as what is there, and what the table wants is to be published.
fn restore(asked: &mut Value) {
    let expression = expression(asked);
    let (set, removed) = expression.split_once(" REMOVE ").unwrap_or((&expression, ""));
    let is_of_route53 = |part: &str| part.starts_with("p4") || part.starts_with("p6");
    let set = split_sets(set).into_iter().filter(|part| is_of_route53(part));
    let set: Vec<_> = set.chain(["v = :next".to_owned(), "d = :one".to_owned(), "t = :one".to_owned()]).collect();
    let removed: Vec<_> = removed.split(", ").filter(|name| is_of_route53(name)).chain(["e", "ea"]).collect();
    asked["UpdateExpression"] = json!(format!("SET {} REMOVE {}", set.join(", "), removed.join(", ")));
    let version = asked["ExpressionAttributeValues"][":if_v"]["N"].as_str().and_then(|version| version.parse().ok());
    let next = version.unwrap_or(0_u64) + 1;
    asked["ExpressionAttributeValues"][":next"] = json!({ "N": next.to_string() });
    asked["ExpressionAttributeValues"][":one"] = json!({ "N": "1" });
    forget_unused(asked);
}

/// The parts of `SET a = b, c = if_not_exists(c, d)`.
fn split_sets(set: &str) -> Vec<String> {
    let (mut parts, mut depth) = (vec![String::new()], 0);
    for letter in set.trim_start_matches("SET ").chars() {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        match letter {
            ',' if depth == 0 => parts.push(String::new()),
            letter => parts.last_mut().expect("one").push(letter),
        }
    }
    parts.into_iter().map(|part| part.trim().to_owned()).collect()
}

/// Forgets values that no expression names: `DynamoDB` refuses them.
fn forget_unused(asked: &mut Value) {
    let words = format!("{} {} ", expression(asked), asked["ConditionExpression"].as_str().unwrap_or_default());
    let is_used = |name: &str| {
        words.split(|letter: char| !(letter.is_ascii_alphanumeric() || ":_".contains(letter))).any(|word| word == name)
    };
    if let Some(values) = asked["ExpressionAttributeValues"].as_object_mut() {
        values.retain(|name, _| is_used(name));
        if values.is_empty() {
            asked.as_object_mut().expect("an object").remove("ExpressionAttributeValues");
        }
    }
}

/// Forgets these values.
fn forget(asked: &mut Value, names: &[&str]) {
    let values = asked["ExpressionAttributeValues"].as_object_mut().expect("values");
    values.retain(|name, _| !names.contains(&name.as_str()));
}

/// Removes more.
fn remove_too(expression: &str, names: &str) -> String {
    let between = if expression.contains(" REMOVE ") { ", " } else { " REMOVE " };
    format!("{expression}{between}{names}")
}

/// An answer that says all went well.
fn well() -> HttpResponse {
    let response = http::Response::builder().status(200).body(SdkBody::from("{}"));
    HttpResponse::try_from(response.expect("a response")).expect("a response of HTTP")
}

/// A request's body.
fn text(request: &HttpRequest) -> String {
    String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned()
}

/// Gives a request another body.
fn replace(request: &mut HttpRequest, body: String) {
    *request.body_mut() = SdkBody::from(body);
}

/// A change batch up to its first change.
fn head_of(body: &str) -> String {
    body.split_once("<Change>").map(|(head, _)| head.to_owned()).unwrap_or_default()
}
