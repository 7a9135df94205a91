package cmd

// verbs is the table of everything raftlab does, in the order help shows it.
// It is made anew for every line, because the library's flags keep state.
func verbs() []*verb {
	all := []*verb{
		upVerb(), downVerb(), lsVerb(),

		statusVerb(), tuiVerb(), logVerb(), eventsVerb(), checkVerb(), waitVerb(), expectVerb(),

		killVerb(), stopVerb(), restartVerb(), pauseVerb(), resumeVerb(), wipeVerb(), diskVerb(), electVerb(), transferVerb(), snapshotVerb(),

		addVerb(), removeVerb(), membersVerb(),

		holdVerb(), releaseVerb(), speedVerb(), stepVerb(), breakVerb(), clockVerb(),

		partitionVerb(), cutVerb(), blackholeVerb(), slowVerb(), throttleVerb(), loseVerb(), duplicateVerb(), reorderVerb(), corruptVerb(), resetVerb(),
		healVerb(), undoVerb(), faultsVerb(), linksVerb(), framesVerb(), frameVerb(), chaosVerb(),

		putVerb(), getVerb(), delVerb(), casVerb(), incrVerb(), loadVerb(),

		runVerb(), demoVerb(), exploreVerb(),

		proxyVerb(), benchVerb(), doctorVerb(), versionVerb(), completionVerb(), helpVerb(),

		labVerb(), nodeVerb(), completeVerb(),
	}
	for _, v := range all {
		for _, s := range v.subs {
			s.fullTitle = v.name + " " + s.name
		}
	}
	return all
}
