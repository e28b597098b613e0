// Package demo provides what a nightly close on one machine needs: input files of real size and shape, and the
// processes that a bank would run elsewhere.
package demo

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Rows of the files, below their headers.
const (
	LedgerRows     = 250_000
	InstrumentRows = 50_000
)

// LastBusinessDay is the last Monday to Friday before the day of now.
func LastBusinessDay(now time.Time) time.Time {
	day := time.Date(now.Year(), now.Month(), now.Day()-1, 0, 0, 0, 0, time.UTC)
	for day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
		day = day.AddDate(0, 0, -1)
	}
	return day
}

// WriteInputs writes gl_DATE.csv and instruments_DATE.csv. The same date gives the same bytes.
func WriteInputs(folder string, asOf time.Time) error {
	date := asOf.Format(time.DateOnly)
	for _, file := range []struct {
		name  string
		write func(*bufio.Writer, time.Time)
	}{
		{"gl_" + date + ".csv", writeLedger},
		{"instruments_" + date + ".csv", writeInstruments},
	} {
		if err := writeFile(filepath.Join(folder, file.name), func(w io.Writer) error {
			b := bufio.NewWriterSize(w, 1<<20)
			file.write(b, asOf)
			return b.Flush()
		}); err != nil {
			return fmt.Errorf("make the demo's files: %w", err)
		}
	}
	return nil
}

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}

var (
	currencies = []string{"USD", "USD", "USD", "USD", "USD", "EUR", "GBP", "CHF", "JPY"}
	// products of a bank's balance sheet, with the general ledger account of each
	products = []struct {
		product, account int
		instrument       string
	}{
		{20101, 110100, "Mortgage"}, {20102, 110200, "Term loan"}, {20103, 110300, "Credit line"},
		{20104, 110400, "Auto loan"}, {20105, 110500, "Card"}, {20106, 130100, "Bond"},
		{30101, 210100, "Checking"}, {30102, 210200, "Savings"}, {30103, 210300, "Term deposit"},
		{30104, 220100, "Wholesale funding"}, {40101, 410100, ""}, {40102, 420100, ""}, {50101, 510100, ""},
	}
	elements = []int{100, 140, 420, 457, 2460}
	bases    = []string{"30/360", "ACT/360", "ACT/365"}
)

const orgUnits = 420

// record builds one line of a CSV file; none of its values needs quotes.
type record struct{ line []byte }

func (r *record) text(s string)       { r.line = append(append(r.line, s...), ',') }
func (r *record) number(n int)        { r.line = append(strconv.AppendInt(r.line, int64(n), 10), ',') }
func (r *record) decimal(cents int64) { r.line = append(appendCents(r.line, cents), ',') }

func (r *record) end(w *bufio.Writer) {
	r.line[len(r.line)-1] = '\n'
	_, _ = w.Write(r.line) // a bufio.Writer keeps its error for Flush
	r.line = r.line[:0]
}

func appendCents(b []byte, cents int64) []byte {
	if cents < 0 {
		b = append(b, '-')
		cents = -cents
	}
	b = strconv.AppendInt(b, cents/100, 10)
	return append(b, '.', byte('0'+cents/10%10), byte('0'+cents%10))
}

func writeLedger(w *bufio.Writer, asOf time.Time) {
	random := rand.New(rand.NewPCG(uint64(asOf.Unix()), 1))
	date := asOf.Format(time.DateOnly)
	_, _ = w.WriteString("AS_OF_DATE,FINANCIAL_ELEM_ID,ORG_UNIT_ID,GL_ACCOUNT_ID,PRODUCT_ID,ISO_CURRENCY_CD,CONSOLIDATION_CD,ENTERED_BALANCE,FUNCTIONAL_BALANCE\n")
	var r record
	for range LedgerRows {
		p := products[random.IntN(len(products))]
		currency := currencies[random.IntN(len(currencies))]
		cents := amount(random, 500_000_00)
		if p.account >= 200_000 {
			cents = -cents
		}
		r.text(date)
		r.number(elements[random.IntN(len(elements))])
		r.number(1000 + random.IntN(orgUnits))
		r.number(p.account + random.IntN(40))
		r.number(p.product)
		r.text(currency)
		r.number(100)
		r.decimal(cents)
		r.decimal(cents * perUnit(currency) / 1000)
		r.end(w)
	}
}

func writeInstruments(w *bufio.Writer, asOf time.Time) {
	random := rand.New(rand.NewPCG(uint64(asOf.Unix()), 2))
	date := asOf.Format(time.DateOnly)
	_, _ = w.WriteString("AS_OF_DATE,ID_NUMBER,INSTRUMENT_TYPE,CUSTOMER_ID,ORG_UNIT_ID,GL_ACCOUNT_ID,PRODUCT_ID,ISO_CURRENCY_CD,CUR_BOOK_BAL,CUR_NET_RATE,ORIGINATION_DATE,MATURITY_DATE,ACCRUAL_BASIS\n")
	var r record
	for i := range InstrumentRows {
		p := products[random.IntN(len(products)-3)] // income and expense have no instruments
		opened := asOf.AddDate(0, 0, -random.IntN(3650))
		r.text(date)
		r.number(700_000_000 + i)
		r.text(p.instrument)
		r.number(10_000_000 + random.IntN(30_000))
		r.number(1000 + random.IntN(orgUnits))
		r.number(p.account)
		r.number(p.product)
		r.text(currencies[random.IntN(len(currencies))])
		r.decimal(amount(random, 80_000_00))
		r.decimal(int64(25 + random.IntN(875)))
		r.text(opened.Format(time.DateOnly))
		r.text(opened.AddDate(random.IntN(30)+11, 0, 0).Format(time.DateOnly))
		r.text(bases[random.IntN(len(bases))])
		r.end(w)
	}
}

// amount is in cents: many small ones, a few large ones, as balances are.
func amount(random *rand.Rand, mean float64) int64 { return int64(random.ExpFloat64() * mean) }

// perUnit is the worth of a currency unit in thousandths of a dollar.
func perUnit(currency string) int64 {
	return map[string]int64{"USD": 1000, "EUR": 1083, "GBP": 1271, "CHF": 1129, "JPY": 7}[currency]
}
