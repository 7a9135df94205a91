package cmd

import (
	"io"
	"strings"
)

func completionVerb() *verb {
	return &verb{
		name: "completion", args: "SHELL", usage: "Print the script that completes raftlab in bash, zsh, fish or powershell", category: categoryTool,
		min: 1, max: 1, words: []word{wordShell},
		examples: []example{
			{"source <(raftlab completion bash)", "bash, in this shell; put it into ~/.bashrc"},
			{"source <(raftlab completion zsh)", "zsh; put it into ~/.zshrc, after compinit"},
			{"raftlab completion fish | source", "fish; or into ~/.config/fish/completions/raftlab.fish"},
			{"raftlab completion powershell | Out-String | Invoke-Expression", "PowerShell; put it into $PROFILE"},
		},
		run: func(c *call) error {
			script, ok := completionScripts()[c.Args().First()]
			if !ok {
				return usageErrorf("no completion for %q; there is bash, zsh, fish and powershell", clean(c.Args().First()))
			}
			_, err := io.WriteString(c.sh.stdout, strings.TrimPrefix(script, "\n"))
			return err
		},
	}
}

// completionScripts ask `raftlab __complete WORDS..`, the last word being the
// one under the cursor; it answers with candidates, a line each, and behind a
// tab what a candidate is.
func completionScripts() map[string]string {
	return map[string]string{
		"bash": `
# bash completion for raftlab
_raftlab() {
	local cur=${COMP_WORDS[COMP_CWORD]} line
	COMPREPLY=()
	while IFS= read -r line; do
		COMPREPLY+=("${line%%$'\t'*}")
	done < <("${COMP_WORDS[0]}" __complete -- "${COMP_WORDS[@]:1:COMP_CWORD-1}" "$cur" 2>/dev/null)
}
complete -o default -F _raftlab raftlab
`,
		"zsh": `
#compdef raftlab
_raftlab() {
	local -a candidates
	local line
	for line in ${(f)"$(${words[1]} __complete -- ${(@)words[2,$CURRENT]} 2>/dev/null)"}; do
		candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
	done
	if (( $#candidates )); then
		_describe raftlab candidates
	else
		_files
	fi
}
compdef _raftlab raftlab
`,
		"fish": `
# fish completion for raftlab
function __raftlab_complete
	set -l words (commandline -opc)
	set -l cur (commandline -ct)
	$words[1] __complete -- $words[2..-1] "$cur" 2>/dev/null
end
complete -c raftlab -f -a '(__raftlab_complete)'
complete -c raftlab -n '__fish_seen_subcommand_from run' -F
`,
		"powershell": `
# PowerShell completion for raftlab
Register-ArgumentCompleter -Native -CommandName raftlab -ScriptBlock {
	param($wordToComplete, $commandAst, $cursorPosition)
	$words = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
	$rest = @($words | Select-Object -Skip 1)
	raftlab __complete '--' @rest "$wordToComplete" 2>$null | ForEach-Object {
		$candidate, $about = $_ -split "` + "`t" + `", 2
		if (-not $about) { $about = $candidate }
		[System.Management.Automation.CompletionResult]::new($candidate, $candidate, 'ParameterValue', $about)
	}
}
`,
	}
}
