//! The attributes of `sandhog-sdk`. They read no more of a function than its head: what its types may be is the compiler's
//! business, by the traits `Task`, `IntoAnswer` and `End`.

use proc_macro::{Delimiter, Spacing, Span, TokenStream, TokenTree};

/// Documented where `sandhog-sdk` passes it on.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    let usage = "#[sandhog::main] stands before `fn main() -> Result<(), E>`";
    expand(options, item, usage, |head, item| {
        if head.name != "main" || head.parameters != 0 {
            return Err((usage.to_owned(), head.span));
        }
        let code = "fn main() -> ::std::process::ExitCode { ITEM; ::sandhog::__private::begin(); ::sandhog::__private::End::end(main()) }";
        Ok(fill(code, "ITEM", item))
    })
}

/// Documented where `sandhog-sdk` passes it on.
#[proc_macro_attribute]
pub fn handler(options: TokenStream, item: TokenStream) -> TokenStream {
    let usage = "#[sandhog::handler] stands before `fn handle(task: In) -> Result<Out, E>`";
    expand(options, item, usage, |head, mut item| {
        if head.parameters != 1 || !head.returns {
            return Err((usage.to_owned(), head.span));
        }
        // A test's executable exports nothing.
        let code = "#[cfg(not(test))] const _: () = {
            struct Handler;
            impl ::sandhog::__private::Guest for Handler {
                fn handle(
                    task: ::sandhog::__private::MessageResult,
                ) -> ::core::result::Result<::sandhog::__private::MessageResult, ::std::string::String> {
                    ::sandhog::__private::answer(NAME, task)
                }
            }
            ::sandhog::__private::export_handler!(Handler with_types_in ::sandhog::__private::abi);
        };";
        let name = TokenTree::from(proc_macro::Ident::new(&head.name, head.span));
        item.extend(fill(code, "NAME", name.into()));
        Ok(item)
    })
}

/// Documented where `sandhog-sdk` passes it on.
#[proc_macro_attribute]
pub fn http(options: TokenStream, item: TokenStream) -> TokenStream {
    let usage = "#[sandhog::http] stands before `fn handle(request: Request) -> Response`";
    expand(options, item, usage, |head, mut item| {
        if head.parameters != 1 || !head.returns {
            return Err((usage.to_owned(), head.span));
        }
        // A test's executable exports nothing.
        let code = "#[cfg(not(test))] const _: () = {
            use ::sandhog::__private::http as http;
            struct Service;
            impl http::Guest for Service {
                fn handle(request: http::IncomingRequest, answer: http::ResponseOutparam) {
                    http::answer(NAME, request, answer)
                }
            }
            http::export!(Service with_types_in http::bindings);
        };";
        let name = TokenTree::from(proc_macro::Ident::new(&head.name, head.span));
        item.extend(fill(code, "NAME", name.into()));
        Ok(item)
    })
}

/// What goes before a function's body.
struct Head {
    name: String,
    span: Span,
    parameters: usize,
    returns: bool,
}

/// What is wrong, and where.
type Wrong = (String, Span);

fn expand(
    options: TokenStream,
    item: TokenStream,
    usage: &str,
    make: impl FnOnce(Head, TokenStream) -> Result<TokenStream, Wrong>,
) -> TokenStream {
    let made = match options.into_iter().next() {
        Some(option) => Err(("this attribute takes nothing in parentheses".to_owned(), option.span())),
        None => read(item.clone(), usage).and_then(|head| make(head, item.clone())),
    };
    // The function stays, so that the editor still knows it and nothing else is reported.
    made.unwrap_or_else(|wrong| [compile_error(wrong), item].into_iter().collect())
}

fn read(item: TokenStream, usage: &str) -> Result<Head, Wrong> {
    let elsewhere = || (usage.to_owned(), Span::call_site());
    let mut tokens = item.into_iter();
    loop {
        let token = tokens.next().ok_or_else(elsewhere)?;
        match token.to_string().as_str() {
            "fn" => break,
            "async" => {
                let text = "a guest has one thread and nothing that would drive a future: leave `async` out";
                return Err((text.to_owned(), token.span()));
            }
            "struct" | "enum" | "impl" | "mod" | "trait" | "static" => return Err((usage.to_owned(), token.span())),
            _ => {}
        }
    }
    let name = tokens.next().ok_or_else(elsewhere)?;
    let parameters = match tokens.next() {
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => parameters(group.stream()),
        Some(other) => {
            return Err(("its types are the interface: it can't be generic".to_owned(), other.span()));
        }
        None => return Err(elsewhere()),
    };
    let returns = matches!(tokens.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '-');
    Ok(Head { span: name.span(), name: name.to_string(), parameters, returns })
}

/// How many there are: commas outside of `<…>` part them, and one may stand behind the last.
fn parameters(list: TokenStream) -> usize {
    let (mut depth, mut count, mut inside, mut arrow) = (0, 0, false, false);
    for token in list {
        let mut dash = false;
        if let TokenTree::Punct(punct) = &token {
            match punct.as_char() {
                '<' => depth += 1,
                '>' if !arrow => depth -= 1,
                ',' if depth == 0 => {
                    inside = false;
                    continue;
                }
                '-' => dash = punct.spacing() == Spacing::Joint,
                _ => {}
            }
        }
        arrow = dash;
        if !inside {
            (inside, count) = (true, count + 1);
        }
    }
    count
}

/// The code with these tokens in a word's place.
fn fill(code: &str, word: &str, tokens: TokenStream) -> TokenStream {
    let Ok(code) = code.parse::<TokenStream>() else { return TokenStream::new() };
    replace(code, word, &tokens)
}

fn replace(code: TokenStream, word: &str, tokens: &TokenStream) -> TokenStream {
    let mut made = TokenStream::new();
    for token in code {
        match token {
            TokenTree::Ident(name) if name.to_string() == word => made.extend(tokens.clone()),
            TokenTree::Group(group) => {
                let inside = replace(group.stream(), word, tokens);
                made.extend([TokenTree::from(proc_macro::Group::new(group.delimiter(), inside))]);
            }
            other => made.extend([other]),
        }
    }
    made
}

fn compile_error((text, span): Wrong) -> TokenStream {
    let code =
        fill("::core::compile_error!(TEXT);", "TEXT", TokenTree::from(proc_macro::Literal::string(&text)).into());
    code.into_iter()
        .map(|mut token| {
            token.set_span(span);
            token
        })
        .collect()
}
