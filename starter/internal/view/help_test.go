package view

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestHelp(t *testing.T) {
	const text = `Run the nights of a time that is over,
one after the other.

Which nights:
  daily      every calendar day
  month-end  the last day of each month; month-end+2 is
             so many business days after it
A night that falls on no business day
goes to the next.`
	assert.Equal(t, text, Help(text, 0), "as it is, where it is not for a screen")
	assert.Equal(t, `Run the nights of a time that is over,
one after the other.

Which nights:
  daily      every calendar day
  month-end  the last day of each month;
             month-end+2 is so many
             business days after it
A night that falls on no business day
goes to the next.`, Help(text, 40))
	assert.Equal(t, `Run the nights of a time that is over, one after the other.

Which nights:
  daily      every calendar day
  month-end  the last day of each month; month-end+2 is so many business days after it
A night that falls on no business day goes to the next.`, Help(text, 200))
}

func TestExamples(t *testing.T) {
	const text = "  starter a --b c\n  starter close --connection prod --as-of 2026-10-31 --reason \"it came late\""
	assert.Equal(t, text, Examples(text, 0))
	assert.Equal(t, text, Examples(text, 80))
	assert.Equal(t, `  starter a --b c
  starter close --connection prod \
      --as-of 2026-10-31 \
      --reason "it came late"`, Examples(text, 40))
}
