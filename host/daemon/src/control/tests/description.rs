//! What the definition of a route says of it, as the document has it: its types describe themselves.

use crate::control::answer::{Output, PAST_LINES};
use crate::control::input::{Body, Input};
use crate::control::limits::{PARAMETERS, SELECTORS};
use crate::control::query::{Asks, Parameter, Query, Takes};
use crate::control::routes::About;
use axum::http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A route, described.
pub(in crate::control) struct Description {
    pub method: Method,
    pub path: &'static str,
    pub about: About,
    pub parameters: Vec<Value>,
    pub body: Option<Value>,
    /// Of the answer that is a success.
    pub content: Value,
    pub headers: Value,
    /// Statuses of answers that are none.
    pub problems: Vec<u16>,
    /// All that it refers to.
    pub schemas: BTreeMap<String, Value>,
}

impl Description {
    pub(in crate::control) fn of<I: Input, O: Output>(method: &Method, path: &'static str, about: About) -> Self {
        let mut description = Self {
            method: method.clone(),
            path,
            about,
            parameters: Vec::new(),
            body: None,
            content: Value::Null,
            headers: Value::Null,
            problems: vec![400, 403, 408, 413, 503],
            schemas: BTreeMap::new(),
        };
        I::describe(&mut description);
        O::describe(&mut description);
        description.problems.sort_unstable();
        description
    }

    pub(in crate::control) fn query<Q: Asks>(&mut self) {
        let mut query = Query::default();
        Q::of(&mut query).expect("a query may be empty");
        let once = query.parameters.iter().filter(|parameter| !matches!(parameter.takes, Takes::Selectors)).count();
        assert!(once <= PARAMETERS, "{} asks for more parameters than may come", self.path);
        if once < query.parameters.len() {
            self.problems.push(404);
        }
        self.parameters.extend(query.parameters.iter().map(parameter));
    }

    pub(in crate::control) fn name(&mut self) {
        let schema = json!({ "type": "string" });
        let about = "The job's name.";
        self.parameters
            .push(json!({ "name": "name", "in": "path", "required": true, "description": about, "schema": schema }));
        self.problems.push(404);
    }

    pub(in crate::control) fn body<B: Body + ToSchema>(&mut self) {
        let schema = self.schema::<B>();
        let about = format!("At most {} bytes.", B::BYTES);
        let content = json!({ "application/json": { "schema": schema } });
        self.body = Some(json!({ "required": !B::IS_OPTIONAL, "description": about, "content": content }));
        if !B::IS_OPTIONAL {
            self.problems.extend([404, 409]);
        }
    }

    pub(in crate::control) fn one<T: ToSchema>(&mut self) {
        let schema = self.schema::<T>();
        self.content = json!({ "application/json": { "schema": schema } });
    }

    pub(in crate::control) fn list<T: ToSchema>(&mut self) {
        let schema = json!({ "type": "array", "items": self.schema::<T>() });
        self.content = json!({ "application/json": { "schema": schema } });
    }

    /// The schema is that of each line.
    pub(in crate::control) fn lines<T: ToSchema>(&mut self) {
        let schema = self.schema::<T>();
        self.content = json!({ "application/x-ndjson": { "schema": schema } });
        let about = "How many of the lines are of the past. Those behind them come when they happen.";
        self.headers = json!({ PAST_LINES: { "description": about, "schema": { "type": "integer", "minimum": 0 } } });
    }

    pub(in crate::control) fn numbers(&mut self) {
        self.content = json!({ "text/plain": { "schema": { "type": "string" } } });
    }

    pub(in crate::control) fn any(&mut self) {
        self.content = json!({ "application/json": { "schema": { "type": "object" } } });
    }

    /// A reference to the schema of a type, which is kept with all that it refers to.
    fn schema<T: ToSchema>(&mut self) -> Value {
        let mut all = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut all);
        self.schemas.extend(all.into_iter().map(|(name, schema)| (name, serde_json::to_value(schema).unwrap())));
        json!({ "$ref": format!("#/components/schemas/{}", T::name()) })
    }

    /// The operation of the document.
    pub(super) fn operation(&self) -> Value {
        let mut success = json!({ "description": self.about.answer, "content": self.content });
        if !self.headers.is_null() {
            success["headers"] = self.headers.clone();
        }
        let problem =
            |status: &u16| (status.to_string(), json!({ "$ref": format!("#/components/responses/{status}") }));
        let mut responses: BTreeMap<_, _> = self.problems.iter().map(problem).collect();
        responses.insert("200".into(), success);
        let About { id, summary, answer: _ } = self.about;
        let mut operation = json!({ "operationId": id, "summary": summary, "responses": responses });
        if !self.parameters.is_empty() {
            operation["parameters"] = self.parameters.clone().into();
        }
        if let Some(body) = &self.body {
            operation["requestBody"] = body.clone();
        }
        operation
    }
}

fn parameter(parameter: &Parameter) -> Value {
    let schema = match parameter.takes {
        Takes::Selectors => json!({ "type": "array", "items": { "type": "string" }, "maxItems": SELECTORS }),
        Takes::Flag => json!({ "type": "boolean", "default": false }),
        Takes::Number { usual, max: None } => json!({ "type": "integer", "minimum": 0, "default": usual }),
        Takes::Number { usual, max: Some(max) } => {
            json!({ "type": "integer", "minimum": 0, "maximum": max, "default": usual })
        }
    };
    json!({ "name": parameter.name, "in": "query", "description": parameter.about, "schema": schema })
}
