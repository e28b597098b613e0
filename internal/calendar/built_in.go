package calendar

import (
	"maps"
	"slices"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/at"
	"github.com/rickar/cal/v2/au"
	"github.com/rickar/cal/v2/be"
	"github.com/rickar/cal/v2/ca"
	"github.com/rickar/cal/v2/ch"
	"github.com/rickar/cal/v2/de"
	"github.com/rickar/cal/v2/ecb"
	"github.com/rickar/cal/v2/es"
	"github.com/rickar/cal/v2/fr"
	"github.com/rickar/cal/v2/gb"
	"github.com/rickar/cal/v2/it"
	"github.com/rickar/cal/v2/jp"
	"github.com/rickar/cal/v2/no"
	"github.com/rickar/cal/v2/se"
	"github.com/rickar/cal/v2/us"
)

// builtIn are the holidays of the built-in calendars, by name; docs/schedules.md says what each is. TestBuiltIn has the
// published days of 2026 to 2028. Countries of rickar/cal that are not here lack days on which banks are closed: dk (the
// day after Ascension, Christmas Eve), ie (Good Friday), nz (Matariki), pl (Christmas Eve since 2025), nl (banks keep
// target2).
var builtIn = map[string][]*cal.Holiday{
	"at":      at.Holidays,
	"au-nsw":  newSouthWales(),
	"be":      be.Holidays,
	"ca":      canadianBanks(),
	"ch":      slices.Concat(ch.HolidaysZH, []*cal.Holiday{fixed("Berchtold's Day", time.January, 2)}),
	"de":      de.Holidays,
	"es":      es.Holidays,
	"fr":      fr.Holidays,
	"gb":      gb.Holidays,
	"it":      italian(),
	"jp":      japaneseBanks(),
	"no":      no.Holidays,
	"se":      se.Holidays,
	"target2": ecb.Holidays,
	"us-bank": federalReserve(),
}

func builtInNames() []string { return slices.Sorted(maps.Keys(builtIn)) }

// federalReserve are the holidays of the Federal Reserve Banks. Unlike federal offices, they are open on
// the Friday before a holiday that falls on a Saturday.
// Source: federalreserve.gov, Holidays Observed by the Federal Reserve System.
func federalReserve() []*cal.Holiday {
	sundayOnly := []cal.AltDay{{Day: time.Sunday, Offset: 1}}
	var holidays []*cal.Holiday
	for _, h := range us.Holidays {
		if h.Observed != nil {
			h = h.Clone(&cal.Holiday{Observed: sundayOnly})
		}
		holidays = append(holidays, h)
	}
	return holidays
}

// canadianBanks are open on Easter Monday, which is a holiday of federal employees.
// Source: the national bank holidays on which no electronic payment is processed.
func canadianBanks() []*cal.Holiday {
	return slices.DeleteFunc(slices.Clone(ca.Holidays), func(h *cal.Holiday) bool { return h == ca.EasterMonday })
}

// italian adds the feast of Saint Francis, a national holiday since 2026.
// Source: Legge 8 ottobre 2025, n. 151.
func italian() []*cal.Holiday {
	francis := fixed("Saint Francis", time.October, 4)
	francis.StartYear = 2026
	return slices.Concat(it.Holidays, []*cal.Holiday{francis})
}

// newSouthWales adds the Mondays after Anzac Day that the state declared.
// Source: Public Holidays Amendment (Anzac Day) Order 2026.
func newSouthWales() []*cal.Holiday {
	first, second := fixed("Monday after Anzac Day", time.April, 27), fixed("Monday after Anzac Day", time.April, 26)
	first.StartYear, first.EndYear = 2026, 2026
	second.StartYear, second.EndYear = 2027, 2027
	return slices.Concat(au.HolidaysNSW, []*cal.Holiday{first, second})
}

// japaneseBanks are closed around the turn of the year as well.
// Source: Order for Enforcement of the Banking Act, article 5.
func japaneseBanks() []*cal.Holiday {
	return slices.Concat(jp.Holidays, []*cal.Holiday{
		fixed("bank holiday", time.January, 2), fixed("bank holiday", time.January, 3), fixed("bank holiday", time.December, 31),
	})
}

func fixed(name string, month time.Month, day int) *cal.Holiday {
	return &cal.Holiday{Name: name, Type: cal.ObservanceBank, Month: month, Day: day, Func: cal.CalcDayOfMonth}
}
