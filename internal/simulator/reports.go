package simulator

import (
	"bufio"
	"cmp"
	"encoding/base64"
	"encoding/csv"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// reports holds the report definitions and their instances. Source: chapters 8 and 9.
type reports struct {
	mu        sync.Mutex
	byCode    map[string]Report
	failures  map[string]int
	next      int
	instances map[string]*instance
}

type instance struct {
	report     Report
	id         string
	filter     string
	fails      bool
	runs, ends time.Time // simulated
	object     string    // in the store, once the report is complete
}

func newReports(c Catalog) *reports {
	r := &reports{byCode: map[string]Report{}, failures: map[string]int{}, next: 100, instances: map[string]*instance{}}
	for _, one := range c.Reports {
		r.byCode[one.Code] = one
	}
	return r
}

// start creates an instance of the report, which fails as often as the catalog says.
func (r *reports) start(report Report, filter string, now time.Time) *instance {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := &instance{report: report, id: strconv.Itoa(r.next), filter: filter, runs: now.Add(report.Queue)}
	i.ends = i.runs.Add(report.Duration)
	if report.Outcome == OutcomeFail || r.failures[report.Code] < report.FailTimes {
		r.failures[report.Code]++
		i.fails = true
	}
	r.next++
	r.instances[i.id] = i
	return i
}

// before is the instance that was started before another one; the same one if it was the first.
func (r *reports) before(i *instance) *instance {
	n, _ := strconv.Atoi(i.id)
	r.mu.Lock()
	defer r.mu.Unlock()
	return cmp.Or(r.instances[strconv.Itoa(n-1)], i)
}

func reportError(status int, text string) *response {
	return jsonResponse(status, fields{"status": "FAILED", "errorMessage": text})
}

func subjectReport(_ *Simulator, c *call) {
	c.entry.Subject = c.r.Header.Get("reportcode")
	c.entry.Name = c.r.Header.Get("reportInstanceID")
}

func (s *Simulator) generateReport(c *call) *response {
	report, ok := s.reports.byCode[c.entry.Subject]
	var body struct {
		FilterCriteria    *string `json:"filterCriteria"`
		PlaceholderFilter string  `json:"placeholderFilter"`
	}
	switch {
	case !ok:
		return reportError(400, "The report code does not exist.")
	case !strings.EqualFold(c.r.Header.Get("reportType"), "CSV"):
		return reportError(400, "reportType must be CSV.")
	case c.r.Header.Get("reportDefType") != "V":
		return reportError(400, "reportDefType must be V.")
	case decodeStrict(c.body, &body) != nil || body.FilterCriteria == nil:
		return reportError(400, "filterCriteria is required.")
	}
	filter := strings.TrimSpace(*body.FilterCriteria + "\n" + body.PlaceholderFilter)
	i := s.reports.start(report, filter, s.clock.Sim())
	c.entry.AsOf, c.entry.Created = datePattern.FindString(filter), i.id
	return s.reportAnswer(s.accepted(), i, "PENDING", "")
}

func (s *Simulator) reportStatus(c *call) *response {
	if s.quirks.has(ReportHeadersCamel) && !(spelled(c.r, "reportCode") && spelled(c.r, "reportInstanceId")) {
		return htmlResponse(400)
	}
	if s.quirks.has(StatusWantsBody) && !firstByteIs(c.body, '{') {
		return reportError(400, "The body is missing.")
	}
	s.reports.mu.Lock()
	i := s.reports.instances[c.r.Header.Get("reportInstanceID")]
	s.reports.mu.Unlock()
	if i == nil || i.report.Code != c.entry.Subject {
		return reportError(400, "The report instance does not exist.")
	}
	if s.quirks.has(ReportOther) {
		i = s.reports.before(i)
	}
	now := s.clock.Sim()
	switch {
	case now.Before(i.runs):
		return s.reportAnswer(200, i, "PENDING", "")
	case now.Before(i.ends):
		return s.reportAnswer(200, i, "RUNNING", "")
	case i.fails:
		return s.reportAnswer(200, i, "FAIL", "")
	case c.has(FaultNoLink):
		return s.reportAnswer(200, i, "COMPLETE", "")
	}
	object, err := s.reportObject(i)
	if err != nil {
		return reportError(500, "The report cannot be written.")
	}
	name := fmt.Sprintf("%s_%s.csv", i.report.Code, i.id)
	link := s.store.issue(par{object: object, read: true, subject: i.report.Code, name: name}) + disposition(name)
	return s.reportAnswer(200, i, "COMPLETE", link)
}

// reportAnswer spells the id as the document's samples do: requestInstanceId until the report has ended, then
// reportInstanceId.
func (s *Simulator) reportAnswer(status int, i *instance, word, link string) *response {
	ended := word == "FAIL" || word == "COMPLETE"
	idKey, linkKey := "requestInstanceId", "downloadLink"
	switch {
	case s.quirks.has(ReportIDLowercase):
		idKey = "requestInstanceid"
	case s.quirks.has(ReportIDReport), ended && !s.quirks.has(ReportIDRequest):
		idKey = "reportInstanceId"
	}
	if s.quirks.has(LinkLowercase) {
		linkKey = "downloadlink"
	}
	if ended && s.quirks.has(CompletedFailed) {
		word = map[string]string{"FAIL": "FAILED", "COMPLETE": "COMPLETED"}[word]
	}
	body := fields{"status": word, idKey: i.id}
	if s.quirks.has(ReportIDNumber) {
		n, _ := strconv.Atoi(i.id)
		body[idKey] = n
	}
	if link != "" {
		body[linkKey] = link
	}
	return codedResponse(status, word, body)
}

// reportObject writes the report's rows into the object store if they are not there yet.
func (s *Simulator) reportObject(i *instance) (string, error) {
	s.reports.mu.Lock()
	defer s.reports.mu.Unlock()
	if i.object != "" {
		return i.object, nil
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(writeReport(w, i, s.opts.Seed)) }()
	seg, err := s.store.write(r)
	if err != nil {
		return "", err
	}
	i.object = s.store.newName("", "reports", s.clock.Sim())
	s.store.put(i.object, &blob{
		segments: []segment{seg}, size: seg.size, contentType: "text/csv", md5: base64.StdEncoding.EncodeToString(seg.md5),
	})
	return i.object, nil
}

var datePattern = regexp.MustCompile(`\d{4}-\d{2}-\d{2}`)

// writeReport writes a header line and the report's rows. The same seed, report and filter yield the same bytes, unless
// the report is numbered.
func writeReport(w io.Writer, i *instance, seed int64) error {
	report := i.report
	hash := fnv.New64a()
	_, _ = io.WriteString(hash, report.Code+"\x00"+i.filter)
	rnd := rand.New(rand.NewPCG(uint64(seed), hash.Sum64()))
	asOf := report.AsOf
	if found := datePattern.FindString(i.filter); found != "" {
		asOf = found
	}
	columns, row := profitabilityColumns, profitabilityRow
	if report.Kind == BalanceSheet {
		columns, row = balanceSheetColumns, balanceSheetRow
	}
	buffer := bufio.NewWriterSize(w, 1<<16)
	out := csv.NewWriter(buffer)
	if err := out.Write(columns); err != nil {
		return err
	}
	for n := range report.Rows {
		if err := out.Write(row(rnd, n, asOf)); err != nil {
			return err
		}
	}
	if report.Numbered {
		if err := out.Write(append([]string{asOf, i.id}, make([]string, len(columns)-2)...)); err != nil {
			return err
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return err
	}
	return buffer.Flush()
}

var (
	profitabilityColumns = []string{
		"AS_OF_DATE", "ORG_UNIT_ID", "ORG_UNIT_NAME", "PRODUCT_ID", "PRODUCT_NAME", "ACCOUNT_NUMBER", "CURRENCY",
		"AVG_BALANCE", "INTEREST_INCOME", "TRANSFER_CHARGE", "NET_INTEREST_MARGIN", "FEE_INCOME", "ALLOCATED_EXPENSE", "NET_PROFIT",
	}
	balanceSheetColumns = []string{
		"AS_OF_DATE", "ORG_UNIT_ID", "ORG_UNIT_NAME", "GL_ACCOUNT_ID", "GL_ACCOUNT_NAME", "CATEGORY", "CURRENCY",
		"OPENING_BALANCE", "DEBITS", "CREDITS", "CLOSING_BALANCE",
	}
	orgUnits = []string{
		"Retail Banking, North", "Retail Banking, South", "Retail Banking, West", "Private Banking", "Corporate Banking",
		"Small Business", "Mortgage Lending", "Treasury", "Card Services",
	}
	products = []string{
		"Demand Deposit", "Savings Account", "Term Deposit 12M", "Fixed Rate Mortgage 30Y", "Adjustable Rate Mortgage",
		"Home Equity Line", "Auto Loan", "Credit Card", "Commercial Term Loan", "Revolving Credit", "Money Market",
	}
	accounts   = []string{"Loans to Customers", "Securities", "Customer Deposits", "Interbank Borrowing", "Subordinated Debt", "Retained Earnings"}
	categories = []string{"ASSET", "ASSET", "LIABILITY", "LIABILITY", "LIABILITY", "EQUITY"}
	currencies = []string{"USD", "USD", "USD", "EUR", "GBP"}
)

// profitabilityRow returns a row with exact sums: margin = income - charge, profit = margin + fees - expense.
func profitabilityRow(rnd *rand.Rand, n int, asOf string) []string {
	org, product := rnd.IntN(len(orgUnits)), rnd.IntN(len(products))
	balance := 10_000 + rnd.Int64N(500_000_000)
	income := balance * (100 + rnd.Int64N(600)) / 120_000
	charge := balance * (50 + rnd.Int64N(450)) / 120_000
	fees, expense := rnd.Int64N(50_000), rnd.Int64N(60_000)
	return []string{
		asOf, strconv.Itoa(1000 + org), orgUnits[org], strconv.Itoa(20_100 + product*10), products[product],
		fmt.Sprintf("%012d", 400_000_000_000+int64(n)*7919), currencies[rnd.IntN(len(currencies))],
		decimal(balance), decimal(income), decimal(charge), decimal(income - charge), decimal(fees), decimal(expense),
		decimal(income - charge + fees - expense),
	}
}

// balanceSheetRow returns a row with exact sums: closing = opening + debits - credits.
func balanceSheetRow(rnd *rand.Rand, n int, asOf string) []string {
	org, account := rnd.IntN(len(orgUnits)), n%len(accounts)
	opening := rnd.Int64N(90_000_000_000)
	debits, credits := rnd.Int64N(5_000_000_000), rnd.Int64N(5_000_000_000)
	return []string{
		asOf, strconv.Itoa(1000 + org), orgUnits[org], fmt.Sprintf("%d%05d", account+1, n), accounts[account], categories[account],
		currencies[rnd.IntN(len(currencies))], decimal(opening), decimal(debits), decimal(credits), decimal(opening + debits - credits),
	}
}

// decimal formats an amount of cents.
func decimal(cents int64) string {
	sign := ""
	if cents < 0 {
		sign, cents = "-", -cents
	}
	return fmt.Sprintf("%s%d.%02d", sign, cents/100, cents%100)
}
