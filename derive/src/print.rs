//! `debug_print!`: `println!` of values that are not there yet.

use std::collections::BTreeSet;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::{Expr, Ident, LitStr, Result, Token, parse_quote};

/// `ordered: true, "format", positional, name = named`
pub(crate) struct Input {
    ordered: Option<Expr>,
    format: LitStr,
    positional: Vec<Expr>,
    named: Vec<(Ident, Expr)>,
}

impl Parse for Input {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut ordered = None;
        if input.peek(Ident) && input.peek2(Token![:]) && !input.peek2(Token![::]) {
            let option: Ident = input.parse()?;
            if option != "ordered" {
                return Err(syn::Error::new(option.span(), "the only option is `ordered: true`"));
            }
            input.parse::<Token![:]>()?;
            ordered = Some(input.parse()?);
            input.parse::<Token![,]>()?;
        }
        let format = match input.parse::<LitStr>() {
            Ok(format) => format,
            Err(e) => return Err(syn::Error::new(e.span(), "the format must be a string literal")),
        };
        let (mut positional, mut named) = (Vec::new(), Vec::new());
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            if input.peek(Ident) && input.peek2(Token![=]) && !input.peek2(Token![==]) {
                let name = input.parse()?;
                input.parse::<Token![=]>()?;
                named.push((name, input.parse()?));
            } else {
                positional.push(input.parse()?);
            }
        }
        Ok(Input { ordered, format, positional, named })
    }
}

impl Input {
    /// Takes the arguments, and leaves a closure that formats them: `format!` checks the whole at compile time.
    pub(crate) fn expand(self) -> TokenStream {
        let Input { ordered, format, positional, named } = self;
        let given: BTreeSet<String> = named.iter().map(|(name, _)| name.to_string()).collect();
        // What the format names and nobody gives is a variable around it, as in `format!`.
        let captured = names(&format.value()).into_iter().filter(|name| !given.contains(name));
        let captured = captured.map(|name| {
            let ident = Ident::new(&name, format.span());
            (ident.clone(), parse_quote!(#ident))
        });
        let named: Vec<(Ident, Expr)> = named.into_iter().chain(captured).collect();
        let exprs: Vec<&Expr> = positional.iter().chain(named.iter().map(|(_, expr)| expr)).collect();
        let kept: Vec<Ident> =
            (0..exprs.len()).map(|i| format_ident!("kept{i}", span = Span::mixed_site())).collect();
        let (of_positional, of_named) = kept.split_at(positional.len());
        let names = named.iter().map(|(name, _)| name);
        let ordered = ordered.unwrap_or_else(|| parse_quote!(false));
        let private = quote!(::raxla::debug::__private);
        quote! {{
            #[allow(unused_imports)]
            use #private::{
                KeepRef as _, KeepStr as _, KeepTree as _, KeepTreeRef as _, KeepValue as _,
            };
            #[allow(unused_mut)]
            let mut args = #private::Args::default();
            #(let #kept = (&&&&#private::Wrap(&(#exprs))).keep(&mut args);)*
            #private::print(#ordered, #format, args, move |values| {
                #(let #kept = #kept.get(values)?;)*
                let _ = values;
                ::core::result::Result::Ok(::std::format!(#format #(, #of_positional)* #(, #names = #of_named)*))
            })
        }}
    }
}

/// The names that a format string uses: `{x}`, and `{:width$.precision$}`.
fn names(format: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut rest = format;
    while let Some(open) = rest.find('{') {
        rest = &rest[open + 1..];
        if let Some(after) = rest.strip_prefix('{') {
            rest = after;
            continue;
        }
        let Some(close) = rest.find('}') else { break };
        let (argument, spec) = rest[..close].split_once(':').unwrap_or((&rest[..close], ""));
        names.extend(is_name(argument.trim()).then(|| argument.trim().to_owned()));
        for (i, _) in spec.match_indices('$') {
            let start = spec[..i].rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
            names.extend(is_name(&spec[start..i]).then(|| spec[start..i].to_owned()));
        }
        rest = &rest[close + 1..];
    }
    names
}

fn is_name(text: &str) -> bool {
    syn::parse_str::<Ident>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn the_names_in_a_format_are_found() {
        let found = |format| names(format).into_iter().collect::<Vec<_>>();
        assert_eq!(found("{x} {} {0} {y:?} {{z}} {:w$.p$} {:>8.3e}"), ["p", "w", "x", "y"]);
        assert!(found("{{}} 100 {:5$}").is_empty());
    }
}
