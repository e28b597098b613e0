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

// sum adds decimals without ever rounding.
type sum struct{ total apd.Decimal }

// add adds a field of a file. An empty one adds nothing.
func (s *sum) add(field []byte) error {
	text := strings.TrimSpace(string(field))
	if text == "" {
		return nil
	}
	d, err := parseDecimal(text)
	if err != nil {
		return err
	}
	_, err = apd.BaseContext.Add(&s.total, &s.total, d) // precision 0: exact
	return err
}

func (s *sum) String() string { return s.total.Text('f') }
