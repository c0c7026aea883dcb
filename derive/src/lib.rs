//! `#[derive(Pytree)]`; see [`raxla::Pytree`](../raxla/tree/trait.Pytree.html).

mod metric;
mod print;

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Field, Fields, GenericParam, Ident, Result, Type, parse_quote};

/// Makes a struct or an enum a pytree: its fields become the node's children, in order of declaration.
///
/// `#[pytree(static)]` on a field makes the field's value part of the structure, and so of the key under which a
/// jitted function is cached. Its type must be `Clone + Eq + Hash + Debug + Send + Sync + 'static`, or `f32` or `f64`,
/// which are compared by their bits.
#[proc_macro_derive(Pytree, attributes(pytree))]
pub fn derive_pytree(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    expand(input).unwrap_or_else(Error::into_compile_error).into()
}

/// Makes a struct whose fields are metrics one; see `raxla::metrics`.
#[proc_macro_derive(Metric)]
pub fn derive_metric(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    metric::expand(input).unwrap_or_else(Error::into_compile_error).into()
}

/// `raxla::debug::print!`; see there.
#[proc_macro]
pub fn debug_print(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    syn::parse_macro_input!(input as print::Input).expand().into()
}

/// A struct, or one variant of an enum.
struct Node<'a> {
    /// `Params`, or `Shape::Circle`.
    name: String,
    /// `Self`, or `Self::Circle`.
    path: TokenStream,
    fields: Vec<NodeField<'a>>,
    named: bool,
}

struct NodeField<'a> {
    field: &'a Field,
    /// The name, or the position in a tuple struct.
    label: String,
    /// How the field is written in a pattern or constructor: `weight` or `0`.
    member: syn::Member,
    /// The variable that holds it.
    binding: Ident,
    kind: Kind,
}

#[derive(PartialEq)]
enum Kind {
    Child,
    Static,
    /// `static_f32` or `static_f64`.
    StaticFloat(&'static str),
}

fn expand(input: DeriveInput) -> Result<TokenStream> {
    if let Some(attr) = input.attrs.iter().find(|a| a.path().is_ident("pytree")) {
        return Err(Error::new_spanned(attr, "`#[pytree(..)]` belongs on a field, as `#[pytree(static)]`"));
    }
    if let Some(lifetime) = input.generics.lifetimes().next() {
        return Err(Error::new_spanned(
            lifetime,
            "a pytree owns its leaves, so it cannot have a lifetime parameter; an `Array` is cheap to clone",
        ));
    }
    let name = &input.ident;
    let nodes = match &input.data {
        Data::Struct(data) => vec![node(name.to_string(), quote!(Self), &data.fields)?],
        Data::Enum(data) if data.variants.is_empty() => {
            return Err(Error::new_spanned(
                name,
                "an enum without variants has no values, so it cannot be a pytree",
            ));
        }
        Data::Enum(data) => data
            .variants
            .iter()
            .map(|v| {
                if let Some(attr) = v.attrs.iter().find(|a| a.path().is_ident("pytree")) {
                    return Err(Error::new_spanned(
                        attr,
                        "`#[pytree(..)]` belongs on a field, not on a variant",
                    ));
                }
                let variant = &v.ident;
                node(format!("{name}::{variant}"), quote!(Self::#variant), &v.fields)
            })
            .collect::<Result<_>>()?,
        Data::Union(data) => {
            return Err(Error::new_spanned(
                data.union_token,
                "a union does not know which field it holds, so it cannot be a pytree; use an enum",
            ));
        }
    };
    Ok(impls(&input, &nodes))
}

fn node(name: String, path: TokenStream, fields: &Fields) -> Result<Node<'_>> {
    let named = matches!(fields, Fields::Named(_));
    let fields = fields.iter().zip(fields.members()).enumerate();
    let fields = fields.map(|(i, (field, member))| {
        let label = match &field.ident {
            Some(ident) => ident.to_string().trim_start_matches("r#").to_owned(),
            None => i.to_string(),
        };
        Ok(NodeField { field, label, member, binding: format_ident!("field{i}"), kind: kind(field)? })
    });
    Ok(Node { name, path, fields: fields.collect::<Result<_>>()?, named })
}

fn kind(field: &Field) -> Result<Kind> {
    let mut kind = Kind::Child;
    for attr in field.attrs.iter().filter(|a| a.path().is_ident("pytree")) {
        attr.parse_nested_meta(|meta| {
            // `static` is a keyword, but still a path of one identifier.
            if !meta.path.is_ident("static") {
                return Err(meta.error("unknown pytree attribute: the only one is `#[pytree(static)]`"));
            }
            if kind != Kind::Child {
                return Err(meta.error("the field is already static"));
            }
            kind = match &field.ty {
                Type::Path(ty) if ty.path.is_ident("f32") => Kind::StaticFloat("static_f32"),
                Type::Path(ty) if ty.path.is_ident("f64") => Kind::StaticFloat("static_f64"),
                _ => Kind::Static,
            };
            Ok(())
        })?;
    }
    Ok(kind)
}

fn impls(input: &DeriveInput, nodes: &[Node<'_>]) -> TokenStream {
    let name = &input.ident;
    let generics = bounded(input, nodes);
    let (impl_generics, _, where_clause) = generics.split_for_impl();
    let (_, ty_generics, _) = input.generics.split_for_impl();
    let infos = nodes.iter().zip(0u32..).map(|(node, variant)| {
        let (name, named) = (&node.name, node.named);
        let labels = node.fields.iter().map(|f| &f.label);
        quote! {
            ::raxla::tree::NodeInfo::new(
                #name, &[#(#labels),*], #named, #variant, ::core::any::TypeId::of::<Self>,
            )
        }
    });
    let flatten = nodes.iter().enumerate().map(|(i, node)| {
        let path = &node.path;
        let (members, bindings) = (members(node), bindings(node));
        let fields = node.fields.iter().map(flatten_field);
        quote! {
            #path { #(#members: #bindings),* } => {
                out.node(&<Self as ::raxla::tree::DerivedNodes>::NODES[#i]);
                #(#fields)*
            }
        }
    });
    let take = nodes.iter().enumerate().map(|(i, node)| {
        let path = &node.path;
        let (members, bindings) = (members(node), bindings(node));
        let fields = node.fields.iter().map(take_field);
        quote! {
            #path { #(#members: #bindings),* } => {
                out.node(&<Self as ::raxla::tree::DerivedNodes>::NODES[#i]);
                #(#fields)*
            }
        }
    });
    let unflatten = nodes.iter().enumerate().map(|(i, node)| {
        let path = &node.path;
        let members = members(node);
        let fields = node.fields.iter().map(unflatten_field);
        // The last arm takes the rest: `node` returns a position in `NODES`.
        let pattern = if i + 1 == nodes.len() { quote!(_) } else { quote!(#i) };
        quote!(#pattern => #path { #(#members: #fields),* },)
    });
    quote! {
        #[automatically_derived]
        impl #impl_generics ::raxla::tree::DerivedNodes for #name #ty_generics #where_clause {
            const NODES: &'static [::raxla::tree::NodeInfo] = &[#(#infos),*];
        }
        #[automatically_derived]
        impl #impl_generics ::raxla::tree::Pytree for #name #ty_generics #where_clause {
            #[inline]
            fn flatten_into(&self, out: &mut ::raxla::tree::Flattener) {
                match self { #(#flatten)* }
            }
            #[inline]
            fn take_into(&mut self, out: &mut ::raxla::tree::Flattener) {
                match self { #(#take)* }
            }
            #[inline]
            fn unflatten_from(src: &mut ::raxla::tree::Unflattener<'_>) -> ::raxla::Result<Self> {
                let node = src.node(<Self as ::raxla::tree::DerivedNodes>::NODES)?;
                ::core::result::Result::Ok(match node { #(#unflatten)* })
            }
        }
        #[automatically_derived]
        impl #impl_generics ::raxla::signature::Arg for #name #ty_generics #where_clause {
            type Tree = Self;
            type Item<'pytree> = Self;
            const DONATED: bool = true;
            #[inline]
            fn flatten_into(mut item: Self, out: &mut ::raxla::tree::Flattener) {
                ::raxla::tree::Pytree::take_into(&mut item, out);
            }
            #[inline]
            fn lend(slot: &mut ::core::option::Option<Self>) -> ::raxla::Result<Self> {
                slot.take().ok_or_else(::raxla::signature::taken)
            }
        }
    }
}

fn members<'a>(node: &'a Node<'_>) -> Vec<&'a syn::Member> {
    node.fields.iter().map(|f| &f.member).collect()
}
fn bindings<'a>(node: &'a Node<'_>) -> Vec<&'a Ident> {
    node.fields.iter().map(|f| &f.binding).collect()
}

// The calls carry the span of the field's type, so that rustc points there if it is not a pytree.
fn flatten_field(f: &NodeField<'_>) -> TokenStream {
    let (binding, ty, span) = (&f.binding, &f.field.ty, f.field.ty.span());
    match f.kind {
        Kind::Child => quote_spanned!(span=> <#ty as ::raxla::tree::Pytree>::flatten_into(#binding, out);),
        Kind::Static => quote_spanned!(span=> out.static_value::<#ty>(#binding);),
        Kind::StaticFloat(method) => {
            let method = Ident::new(method, Span::call_site());
            quote!(out.#method(*#binding);)
        }
    }
}

fn take_field(f: &NodeField<'_>) -> TokenStream {
    let (binding, ty) = (&f.binding, &f.field.ty);
    match f.kind {
        Kind::Child => quote!(<#ty as ::raxla::tree::Pytree>::take_into(#binding, out);),
        _ => flatten_field(f),
    }
}

fn unflatten_field(f: &NodeField<'_>) -> TokenStream {
    let (ty, span) = (&f.field.ty, f.field.ty.span());
    match f.kind {
        Kind::Child => quote_spanned!(span=> <#ty as ::raxla::tree::Pytree>::unflatten_from(src)?),
        // Without the type, which `flatten_field` has complained about already.
        Kind::Static => quote!(src.static_value()?),
        Kind::StaticFloat(method) => {
            let method = Ident::new(method, Span::call_site());
            quote!(src.#method()?)
        }
    }
}

/// The type's generics with the bounds that the fields need: `Pytree` for a parameter of a child, the bounds of a
/// static value for a parameter of a static field, `'static` for any.
fn bounded(input: &DeriveInput, nodes: &[Node<'_>]) -> syn::Generics {
    let mut generics = input.generics.clone();
    for param in &mut generics.params {
        let GenericParam::Type(param) = param else { continue };
        param.default = None;
        let used_in = |wanted: fn(&Kind) -> bool| {
            let mut fields = nodes.iter().flat_map(|n| &n.fields).filter(|f| wanted(&f.kind));
            fields.any(|f| mentions(&f.field.ty, &param.ident))
        };
        let (child, fixed) = (used_in(|k| *k == Kind::Child), used_in(|k| *k == Kind::Static));
        param.bounds.push(parse_quote!('static));
        if child {
            param.bounds.push(parse_quote!(::raxla::tree::Pytree));
        }
        if fixed {
            param.bounds.push(parse_quote!(::core::clone::Clone));
            param.bounds.push(parse_quote!(::raxla::tree::StaticValue));
        }
    }
    generics
}

/// Does `ty` mention `param`, other than inside `PhantomData`?
fn mentions(ty: &Type, param: &Ident) -> bool {
    fn in_tokens(tokens: TokenStream, param: &Ident) -> bool {
        tokens.into_iter().any(|token| match token {
            proc_macro2::TokenTree::Ident(ident) => ident == *param,
            proc_macro2::TokenTree::Group(group) => in_tokens(group.stream(), param),
            _ => false,
        })
    }
    let phantom =
        matches!(ty, Type::Path(p) if p.path.segments.last().is_some_and(|s| s.ident == "PhantomData"));
    !phantom && in_tokens(quote!(#ty), param)
}
