//! Pytrees of the types that raxla knows: structure, paths, maps, and what mismatches say.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use raxla::tree::{self, Flattener, Static, Token, TreeDef, Unflattener};
use raxla::{Array, ErrorKind, Pytree, Result};

fn a(value: f32) -> Array {
    Array::from(value)
}
/// A leaf as text, so that leaves can be compared without running anything.
fn show(leaf: &Array) -> String {
    format!("{leaf:?}")
}
fn shown<T: Pytree>(tree: &T) -> Vec<String> {
    tree::leaves(tree).iter().map(show).collect()
}
fn structure<T: Pytree>(tree: T) -> String {
    tree::structure(&tree).to_string()
}
fn paths<T: Pytree>(tree: &T) -> Vec<String> {
    tree::leaves_with_path(tree).iter().map(|(path, _)| path.to_string()).collect()
}

#[derive(Pytree, Clone, Debug)]
struct Dense {
    weight: Array,
    bias: Option<Array>,
}
#[derive(Pytree, Clone, Debug)]
struct Model {
    layers: Vec<Dense>,
    heads: BTreeMap<String, (Array, [Array; 2])>,
}
fn model() -> Model {
    Model {
        layers: vec![Dense { weight: a(1.0), bias: None }, Dense { weight: a(2.0), bias: Some(a(3.0)) }],
        heads: BTreeMap::from([("policy".into(), (a(4.0), [a(5.0), a(6.0)]))]),
    }
}

#[test]
fn structures_print_as_jax_prints_them() {
    assert_eq!(structure(a(1.0)), "PyTreeDef(*)");
    assert_eq!(structure(()), "PyTreeDef(())");
    assert_eq!(structure((a(1.0),)), "PyTreeDef((*,))");
    assert_eq!(structure((a(1.0), vec![a(1.0), a(2.0)], None::<Array>)), "PyTreeDef((*, [*, *], None))");
    assert_eq!(structure(Box::new(Some(a(1.0)))), "PyTreeDef(*)");
    assert_eq!(
        structure(model()),
        "PyTreeDef(Model{layers: [Dense{weight: *, bias: None}, Dense{weight: *, bias: *}], \
         heads: {\"policy\": (*, [*, *])}})"
    );
}

#[test]
fn leaves_have_paths() {
    assert_eq!(
        paths(&model()),
        [
            "layers[0].weight",
            "layers[1].weight",
            "layers[1].bias",
            "heads[\"policy\"].0",
            "heads[\"policy\"].1[0]",
            "heads[\"policy\"].1[1]"
        ]
    );
    assert_eq!(paths(&a(1.0)), [""]);
    assert_eq!(paths(&(vec![(); 3], a(1.0), Static(2), (a(1.0),))), ["1", "3.0"]);
    let (path, _) = tree::leaves_with_path(&model()).remove(1);
    assert_eq!(path.clone().with_root("params").to_string(), "params.layers[1].weight");
    assert_eq!(path.steps().len(), 3);
    let (root, _) = tree::leaves_with_path(&vec![a(1.0)]).remove(0);
    assert_eq!(root.with_root("xs").to_string(), "xs[0]");
}

#[test]
fn a_hash_map_is_flattened_in_the_order_of_its_keys() {
    let names = ["b", "a", "a key that is longer than what fits into a token", "c"];
    let hashed: HashMap<String, Array> =
        names.iter().zip(0..).map(|(n, i)| (n.to_string(), a(i as f32))).collect();
    let sorted: BTreeMap<String, Array> = hashed.clone().into_iter().collect();
    assert_eq!(tree::structure(&hashed), tree::structure(&sorted));
    assert_eq!(shown(&hashed), shown(&sorted));
    let (leaves, structure) = tree::flatten(&hashed);
    let back: HashMap<String, Array> = tree::unflatten(&structure, leaves).unwrap();
    assert_eq!(shown(&back), shown(&hashed));
    let ints: HashMap<i32, Array> = [(3, a(3.0)), (-1, a(-1.0))].into();
    assert_eq!(paths(&ints), ["[-1]", "[3]"]);
}

#[test]
fn structures_compare_and_hash_by_value() {
    let set: std::collections::HashSet<TreeDef> = [
        tree::structure(&model()),
        tree::structure(&model()),
        tree::structure(&Static(1)),
        tree::structure(&Static(2)),
    ]
    .into();
    assert_eq!(set.len(), 3);
    assert!(tree::structure_eq(&model(), &model()));
    assert!(!tree::structure_eq(&vec![a(1.0)], &[a(1.0)]));
    assert!(!tree::structure_eq(&Some(None::<Array>), &None::<Option<Array>>));
    // A static value is told from an equal one of another type.
    assert_ne!(tree::structure(&Static(1u32)), tree::structure(&Static(1i32)));
    assert_ne!(tree::structure(&Static("a".to_owned())), tree::structure(&Static('a')));
    assert_eq!(tree::structure(&Static("a".to_owned())), tree::structure(&Static("a".to_owned())));
    assert_eq!(tree::structure(&model()).num_leaves(), 6);
}

#[test]
fn maps_keep_the_structure() {
    let doubled = tree::map(|x| x.clone(), &model());
    assert_eq!(shown(&doubled), shown(&model()));
    let second = tree::map2(|_, y| y.clone(), &model(), &tree::map(|_| a(9.0), &model()));
    assert_eq!(shown(&second), vec![show(&a(9.0)); 6]);
    let third = tree::map3(|_, _, z| z.clone(), &model(), &model(), &second);
    let fourth = tree::map4(|_, _, _, z| z.clone(), &model(), &model(), &model(), &third);
    assert_eq!(shown(&fourth), shown(&second));
    let mut seen = vec![];
    tree::map_with_path(
        |path, x| {
            seen.push(path.to_string());
            x.clone()
        },
        &model(),
    );
    assert_eq!(seen, paths(&model()));
    assert_eq!(tree::reduce(|n, _| n + 1, &model(), 0), 6);
    assert!(tree::all(|x| show(x) != "nothing", &model()));
    assert!(!tree::all(|x| show(x) == show(&a(1.0)), &model()));
}

#[test]
fn transpose_of_another_structure_is_an_error() {
    let (list, pair) = (tree::structure(&vec![a(0.0)]), tree::structure(&(a(0.0), a(0.0))));
    let error = tree::transpose::<_, (Vec<Array>, Vec<Array>)>(&list, &pair, &vec![a(1.0)]).unwrap_err();
    assert_eq!(
        error.message(),
        "tree::transpose: the trees differ in structure at [0]: a tuple of length 2, and a leaf"
    );
    let pairs = vec![(a(1.0), a(2.0))];
    let swapped = tree::transpose::<_, Vec<(Array, Array)>>(&list, &pair, &pairs).unwrap_err();
    assert_eq!(swapped.kind(), ErrorKind::TreeMismatch);
    let back: (Vec<Array>, Vec<Array>) = tree::transpose(&list, &pair, &pairs).unwrap();
    assert_eq!(shown(&back), shown(&pairs));
}

#[test]
fn a_failing_function_ends_a_map() {
    let mut calls = 0;
    let failed = tree::try_map(
        |_| {
            calls += 1;
            Err(raxla::Error::new(ErrorKind::Shape, "no"))
        },
        &model(),
    );
    assert_eq!(failed.unwrap_err().message(), "no");
    assert_eq!(calls, 1);
}

#[test]
fn a_mismatch_names_the_first_difference_and_its_path() {
    let mut other = model();
    other.layers[1].bias = None;
    let error = tree::try_map2(|x, _| Ok(x.clone()), &model(), &other).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TreeMismatch);
    assert_eq!(
        error.message(),
        "tree::try_map2: the trees differ in structure at layers[1].bias: Some, and None"
    );
    other.layers.pop();
    let error = tree::try_map3(|x, _, _| Ok(x.clone()), &model(), &model(), &other).unwrap_err();
    let expected =
        "tree::try_map3: the trees differ in structure at layers: a Vec of length 2, and a Vec of length 1";
    assert_eq!(error.message(), expected);
    let difference =
        tree::structure(&(a(1.0), vec![a(1.0)])).first_difference(&tree::structure(&(a(1.0), a(1.0))));
    assert_eq!(difference.unwrap(), "at 1: a Vec of length 1, and a leaf");
    assert_eq!(tree::structure(&model()).first_difference(&tree::structure(&model())), None);
    let keys = |key: &str| tree::structure(&BTreeMap::from([(key.to_owned(), a(1.0))]));
    assert_eq!(
        keys("a").first_difference(&keys("b")).unwrap(),
        "at the root: the key \"a\", and the key \"b\""
    );
}

#[test]
fn a_mismatch_in_map2_panics_at_the_users_line() {
    let line = std::sync::Arc::new(std::sync::Mutex::new(0));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new({
        let line = line.clone();
        move |info| *line.lock().unwrap() = info.location().unwrap().line()
    }));
    let panicked = std::panic::catch_unwind(|| {
        tree::map2(|x, _| x.clone(), &vec![a(1.0)], &vec![]);
    });
    let expected = line!() - 2;
    std::panic::set_hook(hook);
    let message = *panicked.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("at the root: a Vec of length 1, and a Vec of length 0"), "{message}");
    assert_eq!(*line.lock().unwrap(), expected);
}

#[test]
fn unflatten_rejects_what_is_not_such_a_tree() {
    let message = |e: raxla::Error| {
        assert_eq!(e.kind(), ErrorKind::TreeMismatch);
        e.message().to_owned()
    };
    let of = |structure: &TreeDef| message(tree::unflatten::<Model>(structure, vec![a(0.0); 9]).unwrap_err());
    let wrong = tree::structure(&vec![a(1.0)]);
    assert_eq!(of(&wrong), "tree::unflatten: expected Model at the root, got a Vec of length 1");
    assert_eq!(of(&tree::structure(&model())), "tree::unflatten: 3 more leaves than the structure has");
    let few = tree::unflatten::<Model>(&tree::structure(&model()), vec![a(0.0); 2]).unwrap_err();
    assert_eq!(
        message(few),
        "tree::unflatten: fewer leaves than the structure has: none is left for the leaf at layers[1].bias"
    );
    let pair = tree::structure(&(a(1.0), vec![a(1.0)]));
    let wrong = tree::unflatten::<(Array, (Array,))>(&pair, vec![a(0.0); 2]).unwrap_err();
    assert_eq!(message(wrong), "tree::unflatten: expected a tuple of length 1 at 1, got a Vec of length 1");
    let truncated = TreeDef::from_tokens(&tree::structure(&model()).tokens()[..4]);
    assert!(of(&truncated).ends_with("but the structure ends"), "{}", of(&truncated));
    let keyed = tree::structure(&BTreeMap::from([(3, a(1.0))]));
    let wrong = tree::unflatten::<BTreeMap<String, Array>>(&keyed, vec![a(0.0)]).unwrap_err();
    assert_eq!(
        message(wrong),
        "tree::unflatten: expected a key of the map's type at the root, got the key 3"
    );
    let wrong = tree::unflatten::<Static<u8>>(&tree::structure(&Static(3u16)), []).unwrap_err();
    assert_eq!(message(wrong), "tree::unflatten: expected a static u8 at the root, got the static value 3");
}

#[test]
fn static_values_come_back() {
    fn back<T: Clone + Eq + std::hash::Hash + std::fmt::Debug + Send + Sync + 'static>(value: T) {
        let (leaves, structure) = tree::flatten(&Static(value.clone()));
        assert_eq!(tree::unflatten::<Static<T>>(&structure, leaves).unwrap(), Static(value.clone()));
        assert_eq!(structure.to_string(), format!("PyTreeDef({value:?})"));
    }
    back(true);
    back(u64::MAX);
    back(i64::MIN);
    back(-1i8);
    back(usize::MAX);
    back("relu".to_owned());
    back(Some(vec![(3usize, 'c')]));
}

/// A tree whose shape is known only at run time.
#[derive(Clone, Debug)]
enum Any {
    Leaf(Array),
    None,
    Static(i32),
    List(Vec<Any>),
    Map(BTreeMap<String, Any>),
    Boxed(Box<(Any, [Any; 1])>),
}
impl Pytree for Any {
    fn flatten_into(&self, out: &mut Flattener) {
        match self {
            Any::Leaf(x) => x.flatten_into(out),
            Any::None => out.token(Token::None),
            Any::Static(x) => out.static_value(x),
            Any::List(items) => items.flatten_into(out),
            Any::Map(entries) => entries.flatten_into(out),
            Any::Boxed(pair) => pair.flatten_into(out),
        }
    }
    fn unflatten_from(src: &mut Unflattener<'_>) -> Result<Self> {
        Ok(match src.peek() {
            Some(Token::Leaf) => Any::Leaf(Array::unflatten_from(src)?),
            Some(Token::None) => {
                src.token(&Token::None)?;
                Any::None
            }
            Some(Token::Static(_)) => Any::Static(src.static_value()?),
            Some(Token::Vec(_)) => Any::List(Vec::unflatten_from(src)?),
            Some(Token::Dict(_)) => Any::Map(BTreeMap::unflatten_from(src)?),
            _ => Any::Boxed(Box::unflatten_from(src)?),
        })
    }
}

fn any_tree() -> impl Strategy<Value = Any> {
    let leaf = prop_oneof![
        3 => (-9i8..9).prop_map(|x| Any::Leaf(a(x.into()))),
        1 => Just(Any::None),
        1 => any::<i32>().prop_map(Any::Static),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Any::List),
            prop::collection::btree_map(".{0,20}", inner.clone(), 0..5).prop_map(Any::Map),
            (inner.clone(), inner).prop_map(|(x, y)| Any::Boxed(Box::new((x, [y])))),
        ]
    })
}

proptest! {
    #[test]
    fn unflatten_undoes_flatten(tree in any_tree()) {
        let (leaves, structure) = tree::flatten(&tree);
        prop_assert_eq!(leaves.len(), structure.num_leaves());
        let back: Any = tree::unflatten(&structure, leaves).unwrap();
        prop_assert_eq!(format!("{tree:?}"), format!("{back:?}"));
        prop_assert_eq!(tree::structure(&back), structure);
    }

    #[test]
    fn structures_are_equal_unless_there_is_a_first_difference(x in any_tree(), y in any_tree()) {
        use std::hash::BuildHasher;
        let hasher = std::hash::RandomState::new();
        let (x, y) = (tree::structure(&x), tree::structure(&y));
        if x == y {
            prop_assert_eq!(hasher.hash_one(&x), hasher.hash_one(&y));
            prop_assert_eq!(x.first_difference(&y), None);
        } else {
            prop_assert!(x.first_difference(&y).is_some());
        }
    }

    #[test]
    fn each_leaf_has_its_own_path(tree in any_tree()) {
        let paths = paths(&tree);
        prop_assert_eq!(paths.len(), tree::leaves(&tree).len());
        let distinct: std::collections::HashSet<_> = paths.iter().collect();
        prop_assert_eq!(distinct.len(), paths.len());
    }

    #[test]
    fn map_of_the_identity_is_the_identity(tree in any_tree()) {
        prop_assert_eq!(format!("{:?}", tree::map(Array::clone, &tree)), format!("{tree:?}"));
    }

    #[test]
    fn no_part_of_a_structure_unflattens(tree in any_tree(), cut in any::<prop::sample::Index>()) {
        let (leaves, structure) = tree::flatten(&tree);
        let part = TreeDef::from_tokens(&structure.tokens()[..cut.index(structure.tokens().len())]);
        let error = tree::unflatten::<Any>(&part, leaves).unwrap_err();
        prop_assert_eq!(error.kind(), ErrorKind::TreeMismatch, "{}", error);
    }
}

#[test]
fn a_prefix_is_broadcast_to_what_stands_below_its_leaves() {
    let full = (a(0.0), vec![(a(0.0), a(0.0)), (a(0.0), a(0.0))], None::<Array>);
    let broadcast = tree::broadcast(&(a(1.0), a(2.0), a(3.0)), &full).unwrap();
    assert_eq!(shown(&broadcast), ["1.0", "2.0", "2.0", "2.0", "2.0"].map(|x| show(&a(x.parse().unwrap()))));
    let broadcast = tree::broadcast(&a(7.0), &full).unwrap();
    assert_eq!(shown(&broadcast), vec![show(&a(7.0)); 5]);
    let error = tree::broadcast(&(a(1.0), vec![a(2.0)], None::<Array>), &full).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TreeMismatch);
    let error = tree::broadcast(&(a(1.0), a(2.0)), &full).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TreeMismatch);
}

#[test]
fn leaves_are_reduced_in_halves_as_in_jax() {
    // JAX: jax.tree.reduce_associative(operator.sub, [1, 2, 3, 4, 5]) is (1 - 2) - (3 - (4 - 5)).
    let leaves: Vec<Array> = (1..6).map(|i| a(i as f32)).collect();
    let difference = tree::reduce_associative(|a, b| a - b, &leaves, 0.0);
    assert_eq!(difference.item::<f32>().unwrap(), -5.0);
    let nothing = tree::reduce_associative(|a, b| a + b, &Vec::<Array>::new(), 3.0);
    assert_eq!(nothing.item::<f32>().unwrap(), 3.0);
}

#[test]
fn a_tree_is_flattened_with_paths() {
    let (leaves, structure) = tree::flatten_with_path(&model());
    let paths: Vec<String> = leaves.iter().map(|(path, _)| path.to_string()).collect();
    assert_eq!(paths, self::paths(&model()));
    assert_eq!(structure, tree::structure(&model()));
}
