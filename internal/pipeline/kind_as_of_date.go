package pipeline

// KindAsOfDate is the kind of [AsOfDate].
const KindAsOfDate Kind = "as_of_date"

// AsOfDate sets the as-of date of a user's preferences for an application, and reads it back. It is a preference of a
// person: two closes that set it for one user and application disturb each other.
//
//	as_of_date:
//	  app: FTP
//	  user: closeuser
//	  date: "{{.AsOf.MonthEnd}}"
//	  service_id: OFS_FTP
//	  on_failure: skip
//	  retries: 2
//	  retry_delay: 1m
//	  deadline: 10m
type AsOfDate struct {
	// App is the application's name.
	App string `json:"app" jsonschema:"format=code"`
	// User is whose preference it is. Default: the connection's remote_user.
	User string `json:"user,omitempty"`
	// Date is the date, yyyy-mm-dd. Default: the close's as-of date.
	Date string `json:"date,omitempty" jsonschema:"format=date"`
	// ServiceID is the service of the application, if it is not that of the connection.
	ServiceID string `json:"service_id,omitempty" jsonschema:"format=code"`
	// Deadline is when the step ends as failed if it is still running or waiting for an operator.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`

	Failing
	Retrying
}

func (a *AsOfDate) traits() Traits {
	return Traits{OnFailure: a.OnFailure, Retries: a.Retries, RetryDelay: a.RetryDelay, Deadline: a.Deadline}
}

func (a *AsOfDate) setDefaults(r rendering) {
	if a.Date == "" {
		a.Date = r.asOf.String()
	}
}

func (a *AsOfDate) check(c checker) {
	c.code("app", a.App)
	c.plain("user", a.User)
	c.optionalCode("service_id", a.ServiceID)
	_, err := ParseDate(a.Date)
	c.want(err == nil, "date", "%q is not a date; give it as yyyy-mm-dd", a.Date)
}
