//! What a request brings along: a query, a name in its path, or a body, and no two of them. Each is read strictly, within its
//! bounds, and each describes itself.

use super::limits::{APPLY_BYTES, BODY_BYTES};
use super::query::{self, decode};
use axum::extract::Request;
use sandhog_http::{Refused, Room, shown};
use sandhog_protocol::control::{ApplyRequest, ScaleRequest, SendRequest, Shutdown, VerbRequest};
use serde::de::DeserializeOwned;

#[cfg(test)]
use super::tests::description::Description;
/// In a test a type that has a schema, else any.
#[cfg(not(test))]
pub(super) use std::marker::Sized as Described;
#[cfg(test)]
pub(super) use utoipa::ToSchema as Described;

/// What a route takes.
pub(super) trait Input: Sized + Send + 'static {
    /// Reads all of a request.
    fn take(request: Request, room: &Room) -> impl Future<Output = Result<Self, Refused>> + Send;

    #[cfg(test)]
    fn describe(description: &mut Description);
}

/// A query, and no body.
pub(super) struct Query<Q>(pub Q);

/// The last part of the path, and neither query nor body.
pub(super) struct Name(pub String);

/// A body of JSON, and no query.
pub(super) struct Json<B>(pub B);

/// A type of bodies.
pub(super) trait Body: DeserializeOwned + Default + Described + Send + 'static {
    /// The longest.
    const BYTES: usize = BODY_BYTES;
    /// Without one, it is the default.
    const IS_OPTIONAL: bool = false;
}

impl Body for ApplyRequest {
    const BYTES: usize = APPLY_BYTES;
}

impl Body for VerbRequest {}

impl Body for ScaleRequest {}

impl Body for SendRequest {}

impl Body for Shutdown {
    const IS_OPTIONAL: bool = true;
}

impl<Q: query::Asks> Input for Query<Q> {
    async fn take(request: Request, room: &Room) -> Result<Self, Refused> {
        let asked = asked(&request);
        room.take(request.into_body(), 0).await?;
        asked.map(Self)
    }

    #[cfg(test)]
    fn describe(description: &mut Description) {
        description.query::<Q>();
    }
}

impl Input for Name {
    async fn take(request: Request, room: &Room) -> Result<Self, Refused> {
        // Of what stood there before it was decoded, which is for our own rules.
        let name = request.uri().path().rsplit('/').next().unwrap_or_default();
        let name = decode(name).and_then(|name| asked::<()>(&request).map(|()| name));
        room.take(request.into_body(), 0).await?;
        name.map(Self)
    }

    #[cfg(test)]
    fn describe(description: &mut Description) {
        description.name();
    }
}

impl<B: Body> Input for Json<B> {
    async fn take(request: Request, room: &Room) -> Result<Self, Refused> {
        let asked = asked::<()>(&request);
        // The body's room is given back when it has been understood: what comes of it is no larger by an order.
        let taken = room.take(request.into_body(), B::BYTES).await?;
        asked?;
        if taken.bytes.is_empty() && B::IS_OPTIONAL {
            return Ok(Self(B::default()));
        }
        read(&taken.bytes).map(Self)
    }

    #[cfg(test)]
    fn describe(description: &mut Description) {
        description.body::<B>();
    }
}

fn asked<Q: query::Asks>(request: &Request) -> Result<Q, Refused> {
    let mut query = query::Query::parse(request.uri().query().unwrap_or_default())?;
    let asked = Q::of(&mut query);
    // What is not known says more of a mistake than what is missing then.
    query.end()?;
    asked
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    let wrong = |reason: &str| {
        let refused = Refused::invalid(format!("the body is not what is asked for here: {}", shown(reason)));
        refused.with_hint("GET /v1/openapi.json says what is")
    };
    // A list would be taken for an object's values in their order.
    match body.trim_ascii_start().first() {
        Some(b'{') => serde_json::from_slice(body).map_err(|error| wrong(&error.to_string())),
        Some(_) | None => Err(wrong("it is no JSON object")),
    }
}
