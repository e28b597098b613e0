package main

import "testing"

// With every example of the page, and therefore with every key of every kind.
func TestSchemas_agreeWithTheParserOfPipelines(t *testing.T) {
	t.Parallel()
	documents := []string{validPipeline, languagePipeline}
	for _, example := range stepExamples(t) {
		documents = append(documents, example.document())
	}
	agree(t, pipelineCheckers(t), documents, []difference{
		{`.*`, `= empty text`, "the parser takes an empty text for a key that was left out; the editor says to leave it out"},
		{`.*_delay|.*stable_for`, `= zero`, "the parser takes 0 for a duration; the editor asks for a unit"},
	}, []difference{
		{`\.steps`, `\+ the first again`, "two steps have one id: a schema cannot compare values"},
		{`\.steps\[\]\.id`, `.*`, "a step that others need has another id"},
		{`\.steps\[\]\.needs(\[\])?`, `= .*`, "whether the step exists that is needed"},
		{`.*`, `= template`, "what a template gives is known once it is rendered"},
		{`.*DATE\$`, `= date`, "whether the month has that day"},
		{`\.time_zone`, `= .*`, "whether the zone exists"},
		{`.*(min|max)_rows`, `= (zero|large number)`, "one is more than the other: a schema cannot compare values"},
		{`.*delimiter`, `= large number`, "the length of a number"},
		{`\.steps\[\]\.(each|at_once)(\.\w+)?(\[\])?`, `.*`, "whether there are as many steps, with the ids that others need"},
		{`\.params`, `= no keys|- key`, "whether the parameters are there that templates read"},
		{`\.params\..*`, `.*`, "whether the default is one of the values, and whether a pattern is a regular expression"},
		{`.*(export|import)\.(code|copy_of|overwrite)`, `.*`, "the code of a copy is shorter, and overwrite is for a copy"},
		{`.*delete\.record`, `.*`, "whether the pipeline has an audit file"},
		{`.*as_of_date\.date`, `= date`, "whether the month has that day"},
		{`.*needs`, `- key`, "whether the step whose run is wanted is needed"},
		{`.*run_of`, `= .*`, "whether the step exists, runs a batch, and is needed"},
		{`.*approve\.by(\[\])?`, `- key|= empty (list|text)`, "two need a group, and a group has a name"},
		{`.*batches`, `\+ the first again`, "a batch is listed twice: a schema compares whole items"},
	})
}

func TestSchemas_agreeWithTheParserOfTheConfiguration(t *testing.T) {
	t.Parallel()
	agree(t, configurationCheckers(t), []string{validConfiguration}, []difference{
		{`.*`, `= (number|true) in quotes`, "the environment gives numbers and truth values as texts, so the parser takes them from the file as well; the editor asks for them without quotes"},
		{`.*par_hosts|.*\.(add|remove|weekend)`, `= (words|date|duration|time|template|empty text|number in quotes)`, "the environment gives lists as texts with commas; the editor asks for a list"},
		{`.*`, `= nothing`, "the parser takes a key without a value for one that was left out; the editor says that a value is missing"},
	}, []difference{
		{`.*(secret|password)\.(file|env)|.*ca_file`, `= .*`, "whether the file, or the variable, is there"},
		{`.*bandwidth`, `= number`, "0 or at least 65536: said in words"},
		{`.*extra_headers.*`, `= empty text`, "what a header holds is not checked by the schema"},
		{`.*stores\..*url`, `= .*`, "what a store's URL may be depends on its scheme"},
		{`.*par_hosts\[\]`, `= (words|template|empty text)`, "where a host may have a *"},
		{`.*add\[\]`, `= date`, "whether the month has that day"},
	})
}
