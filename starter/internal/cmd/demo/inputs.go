package demo

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// Rows of the input files, below their headers.
const (
	ledgerRows     = 250_000
	instrumentRows = 50_000
)

// lastBusinessDay is the last Monday to Friday before the day of now.
func lastBusinessDay(now time.Time) time.Time {
	day := time.Date(now.Year(), now.Month(), now.Day()-1, 0, 0, 0, 0, time.UTC)
	for day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
		day = day.AddDate(0, 0, -1)
	}
	return day
}

// writeInputs writes gl_DATE.csv and instruments_DATE.csv. The same date gives the same bytes.
func writeInputs(folder string, asOf time.Time) error {
	for name, write := range map[string]func(io.Writer, time.Time){"gl": writeLedger, "instruments": writeInstruments} {
		file, err := os.Create(filepath.Join(folder, name+"_"+asOf.Format(time.DateOnly)+".csv"))
		if err != nil {
			return fmt.Errorf("make the demo's files: %w", err)
		}
		w := bufio.NewWriterSize(file, 1<<20) // keeps the first error for Flush
		write(w, asOf)
		if err := errors.Join(w.Flush(), file.Close()); err != nil {
			return fmt.Errorf("make the demo's files: %w", err)
		}
	}
	return nil
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

func writeLedger(w io.Writer, asOf time.Time) {
	random := rand.New(rand.NewPCG(uint64(asOf.Unix()), 1))
	date := asOf.Format(time.DateOnly)
	fmt.Fprintln(w, "AS_OF_DATE,FINANCIAL_ELEM_ID,ORG_UNIT_ID,GL_ACCOUNT_ID,PRODUCT_ID,ISO_CURRENCY_CD,CONSOLIDATION_CD,"+
		"ENTERED_BALANCE,FUNCTIONAL_BALANCE")
	for range ledgerRows {
		p := products[random.IntN(len(products))]
		currency := currencies[random.IntN(len(currencies))]
		cents := amount(random, 500_000_00)
		if p.account >= 200_000 {
			cents = -cents
		}
		fmt.Fprintf(w, "%s,%d,%d,%d,%d,%s,100,%.2f,%.2f\n",
			date,
			elements[random.IntN(len(elements))],
			1000+random.IntN(orgUnits),
			p.account+random.IntN(40),
			p.product,
			currency,
			units(cents),
			units(cents*perUnit(currency)/1000))
	}
}

func writeInstruments(w io.Writer, asOf time.Time) {
	random := rand.New(rand.NewPCG(uint64(asOf.Unix()), 2))
	date := asOf.Format(time.DateOnly)
	fmt.Fprintln(w, "AS_OF_DATE,ID_NUMBER,INSTRUMENT_TYPE,CUSTOMER_ID,ORG_UNIT_ID,GL_ACCOUNT_ID,PRODUCT_ID,"+
		"ISO_CURRENCY_CD,"+
		"CUR_BOOK_BAL,CUR_NET_RATE,ORIGINATION_DATE,MATURITY_DATE,ACCRUAL_BASIS")
	for i := range instrumentRows {
		p := products[random.IntN(len(products)-3)] // income and expense have no instruments
		opened := asOf.AddDate(0, 0, -random.IntN(3650))
		fmt.Fprintf(w, "%s,%d,%s,%d,%d,%d,%d,%s,%.2f,%.2f,%s,%s,%s\n",
			date,
			700_000_000+i,
			p.instrument,
			10_000_000+random.IntN(30_000),
			1000+random.IntN(orgUnits),
			p.account,
			p.product,
			currencies[random.IntN(len(currencies))],
			units(amount(random, 80_000_00)),
			units(int64(25+random.IntN(875))),
			opened.Format(time.DateOnly),
			opened.AddDate(random.IntN(30)+11, 0, 0).Format(time.DateOnly),
			bases[random.IntN(len(bases))])
	}
}

// amount is in cents: many small ones, a few large ones, as balances are.
func amount(random *rand.Rand, mean float64) int64 { return int64(random.ExpFloat64() * mean) }

func units(cents int64) float64 { return float64(cents) / 100 }

// perUnit is the worth of a currency unit in thousandths of a dollar.
func perUnit(currency string) int64 {
	return map[string]int64{"USD": 1000, "EUR": 1083, "GBP": 1271, "CHF": 1129, "JPY": 7}[currency]
}
