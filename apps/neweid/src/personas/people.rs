//! The invented persons of the personas. Nobody of them stands in the country's register.

use model::divisions::Divisions;
use model::{Address, MaritalStatus, MilitaryServiceCategory, NationalIdNo, PersonName, RocDate, Sex};
use registry::{Person, Status};

/// What varies from person to person.
#[derive(Debug, Clone, Copy)]
pub struct Sketch {
    name: &'static str,
    romanised: &'static str,
    foreign: Option<&'static str>,
    sex: Sex,
    /// Completed years on the day the card is applied for, or one more.
    age: i16,
    /// Month and day of birth.
    birthday: (i8, i8),
    place: (&'static str, &'static str),
    rest: &'static str,
    spouse: Option<&'static str>,
}

const fn sketch(
    name: &'static str,
    romanised: &'static str,
    sex: Sex,
    age: i16,
    birthday: (i8, i8),
    place: (&'static str, &'static str),
    rest: &'static str,
) -> Sketch {
    Sketch { name, romanised, foreign: None, sex, age, birthday, place, rest, spouse: None }
}

use Sex::{Female, Male};

pub const ADULT: Sketch = Sketch {
    spouse: Some("潘玉珍"),
    ..sketch("李國華", "LI, KUO-HUA", Male, 41, (7, 15), ("臺北市", "大安區"), "和平東路一段162號")
};
pub const STUDENT: Sketch =
    sketch("周品妤", "CHOU, PIN-YU", Female, 19, (2, 3), ("新竹市", "香山區"), "牛埔南路17號");
pub const TEACHER: Sketch =
    sketch("趙文彬", "CHAO, WEN-PIN", Male, 36, (11, 30), ("嘉義市", "西區"), "民生北路1號");
pub const FARMER: Sketch =
    sketch("賴清泉", "LAI, CHING-CHUAN", Male, 58, (10, 10), ("雲林縣", "斗六市"), "府文路22號");
pub const DRIVER: Sketch =
    sketch("蘇俊男", "SU, CHUN-NAN", Male, 33, (4, 4), ("基隆市", "仁愛區"), "愛三路8號");
pub const NURSE: Sketch =
    sketch("何佩珊", "HO, PEI-SHAN", Female, 28, (12, 1), ("彰化縣", "彰化市"), "中山路二段416號");
pub const SAILOR: Sketch =
    sketch("呂海生", "LU, HAI-SHENG", Male, 34, (8, 23), ("連江縣", "南竿鄉"), "介壽村76號");
pub const CHILD: Sketch =
    sketch("江語彤", "CHIANG, YU-TUNG", Female, 8, (6, 1), ("苗栗縣", "苗栗市"), "府前路1號");
pub const SENIOR: Sketch = Sketch {
    spouse: Some("邱阿滿"),
    ..sketch("邱添丁", "CHIU, TIEN-TING", Male, 77, (1, 9), ("南投縣", "埔里鎮"), "中山路三段5號")
};
// Characters of the Unicode planes 2, 3 and 15.
pub const RARE: Sketch = sketch(
    "\u{20BB7}\u{30E6C}\u{FB379}",
    "CHI, HSUN-LING",
    Female,
    38,
    (6, 18),
    ("金門縣", "金湖鎮"),
    "林森路2號",
);
pub const LONG: Sketch = Sketch {
    foreign: Some("WOLFESCHLEGELSTEINHAUSEN-BERGERDORFF, WILHELMINA ALEXANDRINA"),
    ..sketch(
        "谷辣斯\u{2027}尤達卡\u{2027}瓦歷斯\u{2027}諾幹",
        "Kolas Yotaka Walis Nokan",
        Female,
        45,
        (3, 27),
        ("臺東縣", "金峰鄉"),
        "嘉蘭村太麻里溪上游右岸部落聯絡道路三段二千四百五十六巷一百二十三弄四十五之六號七樓之八",
    )
};
pub const FOREIGN: Sketch = Sketch {
    foreign: Some("FANG, GRACE MEI-LIN"),
    ..sketch("方美琳", "FANG, MEI-LIN", Female, 31, (9, 19), ("臺中市", "北屯區"), "崇德路二段130號")
};
pub const EXEMPTED: Sketch =
    sketch("沈靜宜", "SHEN, CHING-YI", Female, 52, (5, 5), ("宜蘭縣", "宜蘭市"), "縣政北路1號");
pub const CARPENTER: Sketch =
    sketch("葉永福", "YEH, YUNG-FU", Male, 48, (2, 14), ("嘉義縣", "民雄鄉"), "建國路二段1號");
pub const FORGED: Sketch =
    sketch("魏仲達", "WEI, CHUNG-TA", Male, 44, (1, 31), ("高雄市", "鹽埕區"), "五福四路200號");
pub const COOK: Sketch =
    sketch("余家慶", "YU, CHIA-CHING", Male, 39, (3, 8), ("臺南市", "中西區"), "民族路二段212號");
pub const YOUNG: Sketch =
    sketch("范子涵", "FAN, TZU-HAN", Male, 18, (1, 2), ("桃園市", "桃園區"), "縣府路1號");
pub const PAINTER: Sketch =
    sketch("馮若蘭", "FENG, JO-LAN", Female, 47, (12, 24), ("新北市", "淡水區"), "中正路32號");
pub const SINGER: Sketch =
    sketch("溫如玉", "WEN, JU-YU", Female, 26, (7, 7), ("屏東縣", "恆春鎮"), "天文路30號");
pub const BANKER: Sketch =
    sketch("杜明哲", "TU, MING-CHE", Male, 50, (10, 25), ("花蓮縣", "吉安鄉"), "中央路三段1號");
pub const POTTER: Sketch =
    sketch("鍾陶然", "CHUNG, TAO-JAN", Male, 43, (3, 19), ("新北市", "鶯歌區"), "文化路200號");
pub const WEAVER: Sketch =
    sketch("田織心", "TIEN, CHIH-HSIN", Female, 35, (8, 8), ("花蓮縣", "秀林鄉"), "秀林路64號");
pub const PHYSICIST: Sketch =
    sketch("游格致", "YU, KO-CHIH", Female, 40, (11, 11), ("新竹縣", "竹東鎮"), "中興路四段195號");
pub const RANGER: Sketch =
    sketch("古長青", "KU, CHANG-CHING", Male, 46, (4, 22), ("嘉義縣", "阿里山鄉"), "中正村59號");

impl Sketch {
    /// The person, `number` being different for each. `None` if a place is not in the table of divisions.
    pub fn person(&self, number: usize, today: RocDate) -> Option<Person> {
        let divisions = Divisions::bundled();
        let county = divisions.counties().iter().find(|c| c.name == self.place.0)?;
        let district = divisions.districts_of(county.code).iter().find(|d| d.name == self.place.1)?;
        let village = divisions.villages_of(district.code).first()?;
        let mut name = PersonName::new(self.name).ok()?.with_romanised(self.romanised).ok()?;
        if let Some(foreign) = self.foreign {
            name = name.with_foreign(foreign).ok()?;
        }
        let relative = |text: &str| PersonName::new(text).ok();
        let (month, day) = self.birthday;
        let mut random = [0; 9];
        random[0] = number as u8;
        random[1..].copy_from_slice(&(7_700_000 + number as u64 * 131).to_be_bytes());
        Some(Person {
            id: NationalIdNo::sample(self.sex, random),
            name,
            birth: RocDate::new(today.date().year() - self.age - 1, month, day).ok()?,
            sex: self.sex,
            address: Address::new(village.code, 5 + number as u16, self.rest).ok()?,
            marital: if self.spouse.is_some() { MaritalStatus::Married } else { MaritalStatus::Single },
            military: match self.sex {
                Male if self.age >= 22 => MilitaryServiceCategory::Standing,
                Male if self.age >= 18 => MilitaryServiceCategory::NotServed,
                _ => MilitaryServiceCategory::None,
            },
            spouse: self.spouse.and_then(relative),
            father: relative(&format!("{}文雄", self.name.chars().next()?)),
            mother: relative("林淑芬"),
            birthplace: county.name.to_owned(),
            status: Status::Living,
            guardianship: false,
        })
    }
}
