package problem

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestProblem_String(t *testing.T) {
	for want, p := range map[string]Problem{
		"empty":                       {Message: "empty"},
		"worker.log: is missing":      {Path: "worker.log", Message: "is missing"},
		"line 3: unexpected end":      {Line: 3, Message: "unexpected end"},
		"line 3: name: is not a name": {Path: "name", Line: 3, Message: "is not a name"},
	} {
		assert.Equal(t, want, p.String())
	}
}

func TestList_collectsEverything(t *testing.T) {
	var l List
	require.NoError(t, l.Err())

	assert.False(t, l.Require("connection", " "))
	assert.True(t, l.Require("code", "B1"))
	assert.False(t, l.Want(false, "restarts", "%d is less than %d", -1, 0))
	assert.True(t, l.Want(true, "restarts", "unused"))
	assert.False(t, l.Check("deadline", errors.New("100% wrong")))
	assert.True(t, l.Check("deadline", nil))
	l.Add("", "50% of it")

	assert.Equal(t, []string{"connection: is missing", "restarts: -1 is less than 0", "deadline: 100% wrong", "50% of it"}, l.Texts())
	require.EqualError(t, l.Err(), "connection: is missing\nrestarts: -1 is less than 0\ndeadline: 100% wrong\n50% of it")
}

func TestList_Check_keepsPartsOfAList(t *testing.T) {
	inner := List{{Path: "rows", Line: 7, Message: "a"}, {Message: "b"}, {Path: "[2]", Message: "c"}}
	var l List
	assert.False(t, l.Check("expect", fmt.Errorf("wrapped: %w", inner)))
	assert.True(t, l.Check("expect", List(nil)))
	assert.False(t, l.Check("", List{{Path: "rows", Message: "d"}}))
	assert.Equal(t, List{
		{Path: "expect.rows", Line: 7, Message: "a"},
		{Path: "expect", Message: "b"},
		{Path: "expect[2]", Message: "c"},
		{Path: "rows", Message: "d"},
	}, l)
}

func TestTexts(t *testing.T) {
	assert.Nil(t, Texts(nil))
	assert.Equal(t, []string{"broken"}, Texts(errors.New("broken")))
	assert.Equal(t, []string{"a: b", "c"}, Texts(fmt.Errorf("wrapped: %w", List{{Path: "a", Message: "b"}, {Message: "c"}})))
}

func TestList_Covers(t *testing.T) {
	l := List{{Path: "steps[1].batch"}}
	for path, want := range map[string]struct{ covers, touches bool }{
		"steps[1].batch":      {true, true},
		"steps[1].batch.code": {true, true},
		"steps[1].batch[0]":   {true, true},
		"steps[1].batches":    {false, false},
		"steps[1]":            {false, true},
		"steps":               {false, true},
		"steps[10].batch":     {false, false},
		"deadline":            {false, false},
	} {
		assert.Equal(t, want.covers, l.Covers(path), path)
		assert.Equal(t, want.touches, l.Touches(path), path)
	}
	assert.False(t, List(nil).Touches(""))
}

func TestList_Sort(t *testing.T) {
	l := List{{Line: 2, Message: "d"}, {Path: "b", Message: "c"}, {Path: "a", Message: "a"}, {Path: "a", Message: "b"}}
	l.Sort()
	assert.Equal(t, []string{"a: a", "a: b", "b: c", "line 2: d"}, l.Texts())
}
