//! `#[derive(Metric)]`: a struct of metrics does to each field what is asked of it.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DataStruct, DeriveInput, Error, Fields, Result};

pub fn expand(input: DeriveInput) -> Result<TokenStream> {
    let Data::Struct(DataStruct { fields: Fields::Named(fields), .. }) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "a struct of metrics has named fields, by which its values are named",
        ));
    };
    if let Some(parameter) = input.generics.params.first() {
        return Err(Error::new_spanned(parameter, "a struct of metrics has no parameters"));
    }
    let name = &input.ident;
    let label = name.to_string();
    let members: Vec<_> = fields.named.iter().map(|field| &field.ident).collect();
    let types: Vec<_> = fields.named.iter().map(|field| &field.ty).collect();
    let labels = members.iter().map(|ident| match ident {
        Some(ident) => ident.to_string().trim_start_matches("r#").to_owned(),
        None => String::new(),
    });
    Ok(quote! {
        #[automatically_derived]
        impl ::raxla::metrics::Metric for #name {
            type Value = ::std::collections::BTreeMap<::std::string::String, ::raxla::tree::AnyTree>;

            fn reset(&self) -> Self {
                Self { #(#members: <#types as ::raxla::metrics::Metric>::reset(&self.#members)),* }
            }
            fn merge(&self, other: &Self) -> Self {
                ::raxla::metrics::check_alike(#label, self, other);
                Self { #(#members: <#types as ::raxla::metrics::Metric>::merge(&self.#members, &other.#members)),* }
            }
            fn compute(&self) -> Self::Value {
                ::std::collections::BTreeMap::from([
                    #((
                        ::std::string::String::from(#labels),
                        ::raxla::tree::AnyTree::from_owned(<#types as ::raxla::metrics::Metric>::compute(&self.#members)),
                    )),*
                ])
            }
        }
    })
}
