//! Points of small order on curves with another b: what an attack with invalid curves sends. No way to a [`Point`] leads past
//! the check.

use curve::{Curve, Point, SecretKey, point_from_spki, spki_from_point};

use crate::{random, unhex};

/// The points of the file: curve, order, x, y.
fn points() -> Vec<(Curve, u8, Vec<u8>, Vec<u8>)> {
    let text = include_str!("../vectors/small-order/points.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let [name, order, x, y] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("four words in each line: {line}")
            };
            let curve = Curve::STANDARDISED.into_iter().find(|curve| curve.name() == name);
            (curve.expect("a known curve"), order.parse().expect("a number"), unhex(x), unhex(y))
        })
        .collect()
}

/// Arithmetic modulo p, as simple as it can be written: numbers are big-endian and as long as p.
struct Field(Vec<u8>);

impl Field {
    fn add(&self, a: &[u8], b: &[u8]) -> Vec<u8> {
        let mut sum = vec![0; a.len()];
        let mut carry = 0;
        for i in (0..a.len()).rev() {
            let digit = u16::from(a[i]) + u16::from(b[i]) + carry;
            (sum[i], carry) = (digit as u8, digit >> 8);
        }
        if carry == 0 && sum < self.0 {
            return sum;
        }
        // Less than 2 p, so that p goes into it once.
        let mut borrow = 0;
        for i in (0..sum.len()).rev() {
            let digit = i16::from(sum[i]) - i16::from(self.0[i]) - borrow;
            (sum[i], borrow) = (digit as u8, i16::from(digit < 0));
        }
        sum
    }

    fn times(&self, n: u64, a: &[u8]) -> Vec<u8> {
        self.product(&[vec![0; a.len() - 8], n.to_be_bytes().to_vec()].concat(), a)
    }

    fn product(&self, a: &[u8], b: &[u8]) -> Vec<u8> {
        let mut out = vec![0; a.len()];
        for bit in (0..8 * a.len()).map(|i| a[i / 8] >> (7 - i % 8) & 1) {
            out = self.add(&out, &out);
            if bit == 1 {
                out = self.add(&out, b);
            }
        }
        out
    }

    fn power(&self, a: &[u8], n: u32) -> Vec<u8> {
        (1..n).fold(a.to_vec(), |power, _| self.product(&power, a))
    }

    fn negative(&self, a: &[u8]) -> Vec<u8> {
        // p - 1 is the negative of one.
        let mut minus_one = self.0.clone();
        *minus_one.last_mut().expect("not empty") -= 1;
        self.product(&minus_one, a)
    }

    fn sum(&self, terms: &[Vec<u8>]) -> Vec<u8> {
        terms.iter().fold(vec![0; self.0.len()], |sum, term| self.add(&sum, term))
    }
}

/// Whether `order` times the point is infinity on the curve with this a on which it lies, by the division polynomials
/// (SEC 1 has no use for them; Silverman, exercise 3.7). None of the orders has a factor that would do as well, but 4.
fn has_order(field: &Field, a: &[u8], order: u8, x: &[u8], y: &[u8]) -> bool {
    let f = field;
    // b' = y^2 - x^3 - a x.
    let b = f.sum(&[f.power(y, 2), f.negative(&f.power(x, 3)), f.negative(&f.product(a, x))]);
    let psi2 = f.times(2, y);
    let psi3 = f.sum(&[
        f.times(3, &f.power(x, 4)),
        f.times(6, &f.product(a, &f.power(x, 2))),
        f.times(12, &f.product(&b, x)),
        f.negative(&f.power(a, 2)),
    ]);
    let psi4 = f.product(
        &f.times(4, y),
        &f.sum(&[
            f.power(x, 6),
            f.times(5, &f.product(a, &f.power(x, 4))),
            f.times(20, &f.product(&b, &f.power(x, 3))),
            f.negative(&f.times(5, &f.product(&f.power(a, 2), &f.power(x, 2)))),
            f.negative(&f.times(4, &f.product(&f.product(a, &b), x))),
            f.negative(&f.times(8, &f.power(&b, 2))),
            f.negative(&f.power(a, 3)),
        ]),
    );
    let psi5 = f.sum(&[f.product(&psi4, &f.power(&psi2, 3)), f.negative(&f.power(&psi3, 3))]);
    let psi7 =
        f.sum(&[f.product(&psi5, &f.power(&psi3, 3)), f.negative(&f.product(&psi2, &f.power(&psi4, 3)))]);
    let is_zero = |value: &[u8]| value.iter().all(|byte| *byte == 0);
    match order {
        2 => is_zero(&psi2),
        3 => is_zero(&psi3),
        4 => is_zero(&psi4) && !is_zero(&psi2),
        5 => is_zero(&psi5),
        7 => is_zero(&psi7),
        _ => panic!("order {order}"),
    }
}

#[test]
fn the_points_are_what_the_file_says() {
    let points = points();
    assert_eq!(points.len(), Curve::STANDARDISED.len() * 5);
    for (curve, order, x, y) in &points {
        let domain = curve.parameters();
        let field = Field(domain.p.to_vec());
        assert!(has_order(&field, domain.a, *order, x, y), "{curve} {order}");
        // The base point, to see that the polynomials can say no.
        assert!(!has_order(&field, domain.a, *order, domain.x, domain.y), "{curve} {order}");
    }
}

#[test]
fn a_point_of_small_order_is_no_point_by_whatever_way_it_comes() {
    for (curve, order, x, y) in points() {
        let encoded = [&[0x04], &x[..], &y].concat();
        assert!(Point::from_uncompressed(curve, &encoded).is_err(), "{curve} {order}");
        assert!(Point::from_coordinates(curve, &x, &y).is_err(), "{curve} {order}");
        if Curve::ALL.contains(&curve) {
            let good = SecretKey::generate(curve, &mut random("spki")).public_key();
            let mut spki = spki_from_point(&good);
            let at = spki.len() - encoded.len();
            assert_eq!(&spki[at..], good.as_uncompressed());
            spki[at..].copy_from_slice(&encoded);
            assert!(point_from_spki(&spki).is_err(), "{curve} {order}");
        }
    }
}
