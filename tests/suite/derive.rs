//! `#[derive(Pytree)]` on every kind of type that it accepts.

use std::marker::PhantomData;

use raxla::tree::{self, Static};
use raxla::{Array, ErrorKind, Pytree, Result};

fn a(value: f32) -> Array {
    Array::from(value)
}
fn structure<T: Pytree>(tree: &T) -> String {
    tree::structure(tree).to_string()
}
fn paths<T: Pytree>(tree: &T) -> Vec<String> {
    tree::leaves_with_path(tree).iter().map(|(path, _)| path.to_string()).collect()
}
fn round_trip<T: Pytree + std::fmt::Debug>(tree: &T) {
    let (leaves, structure) = tree::flatten(tree);
    let back: T = tree::unflatten(&structure, leaves).unwrap();
    assert_eq!(format!("{back:?}"), format!("{tree:?}"));
    assert_eq!(tree::structure(&back), structure);
}

#[derive(Pytree, Clone, Debug)]
struct Named {
    weight: Array,
    #[pytree(static)]
    stride: usize,
    r#type: Option<Array>,
}
#[derive(Pytree, Clone, Debug)]
struct Tuple(Array, #[pytree(static)] String, (Array, Array));
#[derive(Pytree, Clone, Debug)]
struct Unit;

#[test]
fn structs() {
    let named = Named { weight: a(1.0), stride: 2, r#type: Some(a(2.0)) };
    assert_eq!(structure(&named), "PyTreeDef(Named{weight: *, stride: 2, type: *})");
    assert_eq!(paths(&named), ["weight", "type"]);
    round_trip(&named);
    let tuple = Tuple(a(1.0), "same".into(), (a(2.0), a(3.0)));
    assert_eq!(structure(&tuple), "PyTreeDef(Tuple(*, \"same\", (*, *)))");
    assert_eq!(paths(&tuple), ["0", "2.0", "2.1"]);
    round_trip(&tuple);
    assert_eq!(structure(&Unit), "PyTreeDef(Unit)");
    round_trip(&Unit);
}

#[derive(Pytree, Clone, Debug)]
enum Shape {
    Point,
    Circle { centre: (Array, Array), radius: Array },
    Polygon(Vec<Array>, #[pytree(static)] bool),
    // Boxed, since a tree may contain itself.
    Both(Box<(Shape, Shape)>),
}

#[test]
fn enums() {
    let circle = Shape::Circle { centre: (a(0.0), a(1.0)), radius: a(2.0) };
    let polygon = Shape::Polygon(vec![a(1.0)], true);
    assert_eq!(structure(&Shape::Point), "PyTreeDef(Shape::Point)");
    assert_eq!(structure(&circle), "PyTreeDef(Shape::Circle{centre: (*, *), radius: *})");
    assert_eq!(structure(&polygon), "PyTreeDef(Shape::Polygon([*], true))");
    let both = Shape::Both(Box::new((circle.clone(), polygon)));
    assert_eq!(paths(&both), ["0.0.centre.0", "0.0.centre.1", "0.0.radius", "0.1.0[0]"]);
    round_trip(&both);
    round_trip(&Shape::Point);
    assert_ne!(tree::structure(&Shape::Point), tree::structure(&circle));
    let difference = tree::structure(&Shape::Point).first_difference(&tree::structure(&circle)).unwrap();
    assert_eq!(difference, "at the root: Shape::Point, and Shape::Circle");
    let error = tree::unflatten::<Shape>(&tree::structure(&Unit), []).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TreeMismatch);
    let names = "Shape::Point or Shape::Circle or Shape::Polygon or Shape::Both";
    assert_eq!(error.message(), format!("tree::unflatten: expected {names} at the root, got Unit"));
}

#[derive(Pytree, Clone, Debug)]
struct Generic<T, M = Relu, const N: usize = 2>
where
    T: Clone,
{
    items: [T; N],
    #[pytree(static)]
    mode: M,
}
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Relu;
#[derive(Pytree, Clone, Debug)]
struct Tagged<K> {
    value: Array,
    tag: PhantomData<K>,
}
#[derive(Clone, Debug)]
struct Celsius;
#[derive(Clone, Debug)]
struct Kelvin;

#[test]
fn generics() {
    let generic = Generic { items: [(a(1.0), a(2.0)), (a(3.0), a(4.0))], mode: Relu };
    assert_eq!(structure(&generic), "PyTreeDef(Generic{items: [(*, *), (*, *)], mode: Relu})");
    round_trip(&generic);
    let celsius = Tagged::<Celsius> { value: a(1.0), tag: PhantomData };
    let kelvin = Tagged::<Kelvin> { value: a(1.0), tag: PhantomData };
    round_trip(&celsius);
    // The type is part of the structure, parameters included.
    assert_ne!(tree::structure(&celsius), tree::structure(&kelvin));
    assert_eq!(
        tree::structure(&celsius).first_difference(&tree::structure(&kelvin)).unwrap(),
        "at the root: Tagged, and Tagged with other type parameters"
    );
}

#[derive(Pytree, Clone, Debug)]
struct Norm {
    scale: Array,
    #[pytree(static)]
    epsilon: f32,
    #[pytree(static)]
    momentum: f64,
}

#[test]
fn static_floats_are_compared_by_their_bits() {
    let norm = |epsilon| Norm { scale: a(1.0), epsilon, momentum: 0.9 };
    assert_eq!(structure(&norm(1e-5)), "PyTreeDef(Norm{scale: *, epsilon: 1e-5, momentum: 0.9})");
    assert_eq!(tree::structure(&norm(f32::NAN)), tree::structure(&norm(f32::NAN)));
    assert_ne!(tree::structure(&norm(0.0)), tree::structure(&norm(-0.0)));
    round_trip(&norm(1e-5));
}

#[test]
fn a_static_field_is_part_of_the_structure() {
    let named = |stride| Named { weight: a(1.0), stride, r#type: None };
    assert_eq!(tree::structure(&named(1)), tree::structure(&named(1)));
    let difference = tree::structure(&named(1)).first_difference(&tree::structure(&named(2))).unwrap();
    assert_eq!(difference, "at stride: the static value 1, and the static value 2");
    let error = tree::try_map2(|x, _| Ok(x.clone()), &named(1), &named(2)).unwrap_err();
    assert!(error.message().contains("at stride"), "{error}");
}

mod hygiene {
    //! The derive's code must not depend on what the user's names mean.
    #![allow(dead_code, non_camel_case_types)]
    struct Option;
    struct Result;
    struct Self_;
    trait Pytree {}

    #[derive(raxla::Pytree, Clone, Debug)]
    pub struct Shadowing {
        pub out: raxla::Array,
        pub src: raxla::Array,
        pub node: (),
    }
    #[derive(raxla::Pytree, Clone, Debug)]
    pub enum Shadowed {
        None,
        Some(raxla::Array),
        Ok { field0: raxla::Array },
        Err,
    }
}

#[test]
fn generated_names_do_not_clash_with_the_users() {
    round_trip(&hygiene::Shadowing { out: a(1.0), src: a(2.0), node: () });
    for tree in [
        hygiene::Shadowed::None,
        hygiene::Shadowed::Some(a(1.0)),
        hygiene::Shadowed::Ok { field0: a(1.0) },
        hygiene::Shadowed::Err,
    ] {
        round_trip(&tree);
    }
}

#[test]
fn a_derived_type_is_an_argument_and_a_result() -> Result<()> {
    use raxla::signature::{FlatArgs, Fun, Function, Traceable};
    fn identity<'f, F: Function<M>, M: Traceable<'f, F>>(f: F) -> Fun<'f, M::Sig> {
        Fun::from_flat(M::into_flat(f))
    }
    let f = identity(|shape: Shape, n: &Named, _: Static<u8>, g: Generic<Array>| (shape, n.clone(), g));
    let named = Named { weight: a(1.0), stride: 2, r#type: None };
    let generic = Generic { items: [a(1.0), a(2.0)], mode: Relu };
    let (shape, back, _) = f(Shape::Point, &named, Static(1), generic)?;
    assert!(matches!(shape, Shape::Point));
    assert_eq!(back.stride, 2);
    let empty = FlatArgs::new(std::panic::Location::caller());
    assert_eq!(f.flat().call(empty).unwrap_err().kind(), ErrorKind::TreeMismatch);
    Ok(())
}
