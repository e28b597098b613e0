package verify

import (
	"fmt"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// maxNumber is the maximum length of a number, in bytes. A longer one means that the file is damaged.
const maxNumber = 128

func parseDecimal(text string) (*apd.Decimal, error) {
	text = strings.TrimSpace(text)
	if len(text) > maxNumber || !isNumber(text) {
		return nil, fmt.Errorf("%.40q is not a decimal number such as -1234.56", text)
	}
	d, _, err := apd.NewFromString(text)
	return d, err
}

// isNumber accepts an optional sign, digits, and at most one point. A ledger's numbers have no exponents,
// infinities or thousands separators; the library would accept the first two.
func isNumber(text string) bool {
	digits, points := 0, 0
	for i, c := range []byte(text) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c == '.':
			points++
		case i > 0 || c != '+' && c != '-':
			return false
		}
	}
	return digits > 0 && points <= 1
}

func equalDecimals(a, b string) bool {
	x, err := parseDecimal(a)
	if err != nil {
		return false
	}
	y, err := parseDecimal(b)
	return err == nil && x.Cmp(y) == 0
}

// maxDigits is how many digits surely fit an int64.
const maxDigits = 18

// sum adds decimals without ever rounding. Numbers of up to 18 digits are added as integers, by their digits behind
// the point, until such a sum does not fit.
type sum struct {
	units [maxDigits + 1]int64
	seen  [maxDigits + 1]bool
	total apd.Decimal // of the others
}

// add adds a field of a file. An empty one adds nothing.
func (s *sum) add(field []byte) error {
	units, scale, ok := smallDecimal(field)
	if !ok {
		return s.addLarge(string(field))
	}
	if next := s.units[scale] + units; (next > s.units[scale]) == (units > 0) {
		s.units[scale], s.seen[scale] = next, true
		return nil
	}
	return s.addLarge(string(field))
}

func (s *sum) addLarge(field string) error {
	field = strings.TrimSpace(field)
	if field == "" {
		return nil
	}
	d, err := parseDecimal(field)
	if err != nil {
		return err
	}
	_, err = apd.BaseContext.Add(&s.total, &s.total, d) // precision 0: exact
	return err
}

// smallDecimal returns a number as an integer, and its digits behind the point.
func smallDecimal(field []byte) (units int64, scale int, ok bool) {
	for len(field) > 0 && field[0] == ' ' {
		field = field[1:]
	}
	for len(field) > 0 && field[len(field)-1] == ' ' {
		field = field[:len(field)-1]
	}
	negative := len(field) > 0 && field[0] == '-'
	if negative || len(field) > 0 && field[0] == '+' {
		field = field[1:]
	}
	if len(field) > maxDigits+1 {
		return 0, 0, false
	}
	digits, point := 0, -1
	for i, c := range field {
		switch {
		case c-'0' <= 9:
			units = units*10 + int64(c-'0')
			digits++
		case c == '.' && point < 0:
			point = i
		default:
			return 0, 0, false
		}
	}
	if point >= 0 {
		scale = len(field) - 1 - point
	}
	if negative {
		units = -units
	}
	return units, scale, digits > 0 && digits <= maxDigits
}

func (s *sum) String() string {
	for scale, units := range s.units {
		if s.seen[scale] { // a zero has its digits, too
			_, _ = apd.BaseContext.Add(&s.total, &s.total, apd.New(units, int32(-scale)))
		}
	}
	s.units, s.seen = [maxDigits + 1]int64{}, [maxDigits + 1]bool{}
	return s.total.Text('f')
}
